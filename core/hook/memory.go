package hook

import (
	"fmt"
	"runtime/metrics"
	"time"
)

// maxGrowth is how many bytes the heap of this program may grow while a Lua
// hook runs. The Lua machine has no account of its own memory, so the heap of
// the whole program is looked at; the bound is far above what anything else here
// allocates, and is there so that a hook in a loop does not take the daemon down.
const maxGrowth = 512 << 20

// memoryTick is how often the heap is looked at.
const memoryTick = 20 * time.Millisecond

// watchMemory ends the run when the heap grows too much. The function returned
// ends the watch.
func (c *call) watchMemory() (stop func()) {
	done := make(chan struct{})
	go func() {
		sample := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}}
		metrics.Read(sample)
		limit := sample[0].Value.Uint64() + maxGrowth
		tick := time.NewTicker(memoryTick)
		defer tick.Stop()
		for {
			select {
			case <-done:
				return
			case <-tick.C:
			}
			metrics.Read(sample)
			if sample[0].Value.Uint64() > limit {
				c.cancel(fmt.Errorf("it made this program use more than %d MiB of memory", maxGrowth>>20))
				return
			}
		}
	}()
	return func() { close(done) }
}
