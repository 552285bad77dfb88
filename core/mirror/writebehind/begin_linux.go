package writebehind

import "golang.org/x/sys/unix"

// Begin has the kernel begin to write a stretch of a file, and does not wait until it is
// written; but for the disk's queue, if that is full. An error is a sync's to tell, which
// meets it, too.
func Begin(fd int, begin, length int64) {
	_ = unix.SyncFileRange(fd, begin, length, unix.SYNC_FILE_RANGE_WRITE)
}
