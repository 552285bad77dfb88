package daemon

import (
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"testing"
)

// With the ballast 16 MiB of garbage need no collection, and it takes no memory itself.
//
// A process of its own: in this one other tests have left memory, which would be used again.
func TestBallast(t *testing.T) {
	if os.Getenv("BALLAST") == "" {
		alone := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestBallast$")
		alone.Env = append(os.Environ(), "BALLAST=1")
		if out, err := alone.CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		return
	}
	before := resident(t)
	b := ballast()
	runtime.GC()
	if got := resident(t) - before; got > ballastSize/4 {
		t.Errorf("it takes %d bytes of memory", got)
	}
	var at runtime.MemStats
	runtime.ReadMemStats(&at)
	for range 16 << 10 {
		garbage = make([]byte, 1<<10)
	}
	cycles := at.NumGC
	if runtime.ReadMemStats(&at); at.NumGC != cycles {
		t.Errorf("16 MiB of garbage led to %d collections", at.NumGC-cycles)
	}
	runtime.KeepAlive(b)
}

var garbage []byte

// resident is the memory that this process takes.
func resident(t *testing.T) int {
	t.Helper()
	text, err := os.ReadFile("/proc/self/statm")
	var all, pages int
	if err == nil {
		_, err = fmt.Sscan(string(text), &all, &pages)
	}
	if err != nil {
		t.Fatal(err)
	}
	return pages * os.Getpagesize()
}
