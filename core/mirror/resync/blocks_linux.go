package resync

import (
	"crypto/sha256"

	"golang.org/x/sys/unix"
)

// chunk is how much is compared at once.
const chunk = 1 << 20

// sums are the checksums of data's blocks.
func sums(data []byte) []byte {
	out := make([]byte, 0, (len(data)+Block-1)/Block*sumSize)
	for len(data) > 0 {
		n := min(len(data), Block)
		h := sha256.Sum256(data[:n])
		out = append(out, h[:sumSize]...)
		data = data[n:]
	}
	return out
}

// read reads as much as there is of [at, at+len(buf)).
func read(fd int, buf []byte, at int64) ([]byte, error) {
	got := 0
	for got < len(buf) {
		n, err := unix.Pread(fd, buf[got:], at+int64(got))
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			return nil, err
		}
		if n == 0 {
			break
		}
		got += n
	}
	return buf[:got], nil
}

// extent is a range of a file, with data or a hole.
type extent struct {
	at, end int64
	hole    bool
}

// extents are those of [at, end), as far as the file goes, in whole blocks.
func extents(fd int, at, end int64) (list []extent, err error) {
	for at < end {
		data, err := unix.Seek(fd, at, unix.SEEK_DATA)
		if err == unix.ENXIO { // no more data; is there file?
			size, err := unix.Seek(fd, 0, unix.SEEK_END)
			if err != nil {
				return nil, err
			}
			if size = min(size, end); size > at {
				list = append(list, extent{at, size, true})
			}
			return list, nil
		}
		if err != nil {
			return nil, err
		}
		data = max(at, data/Block*Block)
		if data > at {
			list = append(list, extent{at, min(data, end), true})
		}
		if data >= end {
			return list, nil
		}
		hole, err := unix.Seek(fd, data, unix.SEEK_HOLE)
		if err != nil {
			return nil, err
		}
		at = min((hole+Block-1)/Block*Block, end)
		list = append(list, extent{data, at, false})
	}
	return list, nil
}
