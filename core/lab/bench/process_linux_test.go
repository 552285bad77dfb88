package main

import (
	"os"
	"strings"
	"testing"
)

// What is said of processes is held against this one.
func TestUsage(t *testing.T) {
	u, err := usageOf(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	if u.RSS < 1 || u.RSS > 10_000 || u.PSS > u.RSS || u.Anonymous+u.FileMapped != u.RSS || !strings.Contains(u.CommandLine, "-test.") {
		t.Errorf("this test uses %+v", u)
	}
	pids, err := family(os.Getppid())
	if err != nil || len(pids) == 0 || pids[0] != os.Getppid() {
		t.Errorf("the family of its parent: %v, %v", pids, err)
	}
	busy, err := busySeconds()
	if err != nil || busy < u.CPU {
		t.Errorf("all processors were busy for %v s, this test alone for %v: %v", busy, u.CPU, err)
	}
	if _, err := usageOf(-1); err == nil {
		t.Error("a process that cannot be is told of")
	}
}
