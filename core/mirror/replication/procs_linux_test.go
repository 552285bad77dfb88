package replication

import (
	"runtime"
	"testing"
)

// A small machine's runtime is given more processors, a large one's no fewer.
func TestEnoughProcs(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(0))
	for has, want := range map[int]int{2: procs, procs + 1: procs + 1} {
		runtime.GOMAXPROCS(has)
		enoughProcs()
		if n := runtime.GOMAXPROCS(0); n != want {
			t.Errorf("of %d: %d", has, n)
		}
	}
}
