package daemon

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"unsafe"

	"golang.org/x/sys/unix"
)

// bootTime is CLOCK_BOOTTIME in ns, the clock of leases.
func bootTime() uint64 {
	var ts unix.Timespec
	if unix.ClockGettime(unix.CLOCK_BOOTTIME, &ts) != nil {
		return 0 // the clock is always there
	}
	return uint64(ts.Nano())
}

// mapLease maps the pinned BPF array map at path into memory (bpf(2),
// BPF_OBJ_GET; the map is made with BPF_F_MMAPABLE). An empty path is nothing to
// map. One system call is all that is needed of BPF here.
func mapLease(path string) (*uint64, func() error, error) {
	if path == "" {
		return nil, nil, nil
	}
	name, err := unix.BytePtrFromString(path)
	if err != nil {
		return nil, nil, fmt.Errorf("open the pinned map: %w", err)
	}
	attr := struct {
		path  uint64
		fd    uint32
		flags uint32
	}{path: uint64(uintptr(unsafe.Pointer(name)))}
	fd, _, errno := unix.Syscall(unix.SYS_BPF, unix.BPF_OBJ_GET, uintptr(unsafe.Pointer(&attr)), unsafe.Sizeof(attr))
	runtime.KeepAlive(name)
	if errno != 0 {
		return nil, nil, fmt.Errorf("open the pinned map: %w", errno)
	}
	memory, err := unix.Mmap(int(fd), 0, os.Getpagesize(), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err = errors.Join(err, unix.Close(int(fd))); err != nil {
		return nil, nil, fmt.Errorf("map the pinned map into memory: %w", err)
	}
	return (*uint64)(unsafe.Pointer(&memory[0])), func() error { return unix.Munmap(memory) }, nil
}
