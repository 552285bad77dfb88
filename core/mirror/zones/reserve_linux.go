package zones

import "golang.org/x/sys/unix"

// Reserve keeps room for a file of that size, without making it longer.
func (f *osFile) Reserve(size int64) error {
	err := unix.Fallocate(int(f.Fd()), unix.FALLOC_FL_KEEP_SIZE, 0, size)
	if err == nil {
		f.reserved = size
	}
	return err
}

// Sync makes durable what was written and the file's size, but no times.
func (f *osFile) Sync() error { return unix.Fdatasync(int(f.Fd())) }
