package zones

import "golang.org/x/sys/unix"

// Reserve keeps room for a file of that size, without making it longer.
func (f osFile) Reserve(size int64) error {
	return unix.Fallocate(int(f.Fd()), unix.FALLOC_FL_KEEP_SIZE, 0, size)
}
