package main

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

// trim gives back the pages of the program's own file that this process has mapped so far. The
// kernel keeps them in its page cache, and what is needed again comes back by itself, sixteen
// pages at a time, at the price of a fault of a few microseconds (madvise(2), MADV_DONTNEED).
func trim() error { return advise(unix.MADV_DONTNEED) }

// advise tells the kernel what becomes of the mapped pages of the program's file.
func advise(what int) error {
	maps, err := os.Open("/proc/self/smaps")
	if err != nil {
		return fmt.Errorf("find the pages of the program: %w", err)
	}
	defer maps.Close()
	exe, err := os.Readlink("/proc/self/exe")
	if err != nil {
		return fmt.Errorf("find the program's file: %w", err)
	}
	for _, r := range untouched(maps, exe) {
		if _, _, errno := unix.Syscall(unix.SYS_MADVISE, r.from, r.to-r.from, uintptr(what)); errno != 0 {
			return fmt.Errorf("advise the kernel of the pages of the program: %w", errno)
		}
	}
	return nil
}

type addresses struct{ from, to uintptr }

// untouched reads in a list of mappings (proc_pid_smaps(5)) where the file is mapped for reading
// and nothing in it is this process's own: only there the same comes back.
func untouched(smaps io.Reader, file string) []addresses {
	var list []addresses
	var at addresses
	candidate := false
	for lines := bufio.NewScanner(smaps); lines.Scan(); {
		fields := strings.Fields(lines.Text())
		switch {
		case len(fields) >= 5 && strings.Contains(fields[0], "-"):
			_, err := fmt.Sscanf(fields[0], "%x-%x", &at.from, &at.to)
			candidate = err == nil && strings.HasPrefix(fields[1], "r-") && strings.HasSuffix(lines.Text(), " "+file)
		case candidate && len(fields) >= 2 && fields[0] == "Anonymous:" && fields[1] == "0":
			list = append(list, at)
		}
	}
	return list
}
