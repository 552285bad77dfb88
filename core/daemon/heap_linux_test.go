package daemon

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"testing"
	"testing/synctest"
	"time"
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

// What the ballast lets lie is swept up soon, but not what is used.
func TestSweep(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		b := ballast()
		defer runtime.KeepAlive(b)
		runtime.GC()
		go sweep(ctx)
		synctest.Wait() // it has taken the size
		before := heapSize()
		for range 8 << 10 {
			garbage = make([]byte, 1<<10)
		}
		if heapSize() < before+worthSweeping {
			t.Fatal("there is no garbage to be swept")
		}
		time.Sleep(sweepInterval) // the bubble's time
		synctest.Wait()
		if got := heapSize(); got > before+1<<20 {
			t.Errorf("the heap had %d bytes, and has %d", before, got)
		}
	})
}
