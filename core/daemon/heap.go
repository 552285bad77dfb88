package daemon

import (
	"context"
	"runtime/debug"
	"runtime/metrics"
	"time"
)

// ballastSize is how much larger than it is the heap is made to look.
const ballastSize = 24 << 20

// ballast makes garbage collections rare. To begin one stops all of this program's threads for
// a moment, also that of the heartbeat: on a machine that is short of processors the moment lasts until
// whoever stopped the others gets one again, a good part of a lease. A collection is due when the heap has
// doubled, which a small one does many times a second while modules start. The ballast is never touched, so
// it takes addresses, but no memory. The caller keeps it.
func ballast() []byte { return make([]byte, ballastSize) }

// sweepInterval is the time between two looks at the garbage that the ballast lets lie.
const sweepInterval = 20 * time.Second

// worthSweeping is how much of it is left to lie.
const worthSweeping = 4 << 20

// promptly is how late a timer of a machine with a processor to spare is at the most.
const promptly = 2 * time.Millisecond

// sweep gives the memory back that garbage takes, while the machine has time for it: without it a node at
// rest would keep as much as the ballast allows. It ends with ctx.
func sweep(ctx context.Context) {
	kept := heapSize()
	for {
		due := time.Now().Add(sweepInterval)
		if !sleep(ctx, sweepInterval) {
			return
		}
		if time.Since(due) > promptly || heapSize() < kept+worthSweeping {
			continue
		}
		debug.FreeOSMemory()
		kept = heapSize()
	}
}

// heapSize is what the objects of the heap take, garbage included, in bytes. Unlike
// runtime.ReadMemStats the question stops nothing.
func heapSize() uint64 {
	sample := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}}
	metrics.Read(sample)
	return sample[0].Value.Uint64()
}
