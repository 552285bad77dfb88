package replication

import (
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

func unixStat(st os.FileInfo) *syscall.Stat_t { return st.Sys().(*syscall.Stat_t) }

// syncFileSystem makes durable all of the file system that a directory is on.
func syncFileSystem(dir string) error {
	fd, err := unix.Open(dir, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	return unix.Syncfs(fd)
}
