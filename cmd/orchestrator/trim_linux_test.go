package main

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

func TestUntouched(t *testing.T) {
	const smaps = `00400000-00800000 r-xp 00000000 fd:01 77 /usr/local/bin/orchestrator
Rss:                4096 kB
Anonymous:             0 kB
00800000-00900000 r--p 00400000 fd:01 77 /usr/local/bin/orchestrator
Anonymous:             4 kB
00900000-00a00000 r--p 00500000 fd:01 77 /usr/local/bin/orchestrator
Anonymous:             0 kB
00a00000-00b00000 rw-p 00600000 fd:01 77 /usr/local/bin/orchestrator
Anonymous:             0 kB
00b00000-00c00000 r--p 00000000 fd:01 78 /usr/lib/other
Anonymous:             0 kB
00c00000-00d00000 r--p 00000000 00:00 0
Anonymous:             0 kB
`
	want := []addresses{{0x400000, 0x800000}, {0x900000, 0xa00000}}
	if got := untouched(strings.NewReader(smaps), "/usr/local/bin/orchestrator"); !slices.Equal(got, want) {
		t.Errorf("%x", got)
	}
}

// What is given back is gone, and comes back when it is used.
func TestTrim(t *testing.T) {
	if err := advise(unix.MADV_POPULATE_READ); err != nil {
		t.Fatal(err)
	}
	before := filePages(t)
	if err := trim(); err != nil {
		t.Fatal(err)
	}
	if after := filePages(t); after > before/2 {
		t.Errorf("%d kB of files were mapped, and %d are", before, after)
	}
	if !strings.Contains(newRoot(&app{env: env{lookup: os.LookupEnv}}).Long, "highly available") {
		t.Error("the program is not what it was")
	}
}

// filePages are the kB of files that this process has in memory (proc_pid_status(5)).
func filePages(t *testing.T) (kb int) {
	t.Helper()
	text, err := os.ReadFile("/proc/self/status")
	if err == nil {
		_, rest, _ := strings.Cut(string(text), "RssFile:")
		_, err = fmt.Sscan(rest, &kb)
	}
	if err != nil {
		t.Fatal(err)
	}
	return kb
}
