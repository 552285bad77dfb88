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

// next is the extent that begins at, in whole blocks and as far as end at most; ok is false
// where the file has ended. Blocks of the file system may be smaller: what begins within one
// of ours is data from its begin on.
func next(fd int, at, end int64) (x extent, ok bool, err error) {
	if at >= end {
		return extent{}, false, nil
	}
	data, err := unix.Seek(fd, at, unix.SEEK_DATA)
	if err == unix.ENXIO { // no more data; is there file?
		size, err := unix.Seek(fd, 0, unix.SEEK_END)
		size = min(size, end)
		return extent{at, size, true}, err == nil && size > at, err
	}
	if err != nil {
		return extent{}, false, err
	}
	if begin := data / Block * Block; begin > at {
		return extent{at, min(begin, end), true}, true, nil
	}
	hole, err := unix.Seek(fd, data, unix.SEEK_HOLE)
	if err == unix.ENXIO { // it has just become shorter
		return extent{}, false, nil
	}
	if err != nil {
		return extent{}, false, err
	}
	return extent{at, min((hole+Block-1)/Block*Block, end), false}, true, nil
}
