package proc

import (
	"os"
	"strconv"
)

// IDs lists all processes.
func IDs() ([]int, error) {
	dir, err := os.Open("/proc")
	if err != nil {
		return nil, err
	}
	names, err := dir.Readdirnames(-1)
	_ = dir.Close()
	var list []int
	for _, name := range names {
		if pid, err := strconv.Atoi(name); err == nil {
			list = append(list, pid)
		}
	}
	return list, err
}

// ReadFile reads a file of a process's folder.
func ReadFile(pid int, name string) ([]byte, error) {
	return Ask(pid, func() ([]byte, error) { return os.ReadFile(path(pid, name)) })
}

// Readlink reads a link in a process's folder.
func Readlink(pid int, name string) (string, error) {
	return Ask(pid, func() (string, error) { return os.Readlink(path(pid, name)) })
}

func path(pid int, name string) string { return "/proc/" + strconv.Itoa(pid) + "/" + name }
