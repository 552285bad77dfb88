package hook

import (
	"context"
	"fmt"
	"runtime/metrics"
	"sync/atomic"
	"time"

	lua "github.com/yuin/gopher-lua"
)

// maxMemory is how many bytes a Lua hook may hold, so that one in a loop does not take
// the daemon down.
const maxMemory = 512 << 20

const (
	// memoryTick is how often the heap of this program is looked at.
	memoryTick = 20 * time.Millisecond
	// memoryTurns is how many of these a state has to measure itself when it is asked to: it
	// runs beside others, on a machine that may be busy.
	memoryTurns = 5
)

// meter is the context of a Lua state, which the state looks at between its instructions.
// The Lua machine has no account of its memory, and the heap of this program says
// nothing of one hook: others run, the rest of the daemon works, garbage waits to be collected.
// It says only when it is worth while to measure what a hook itself holds.
type meter struct {
	context.Context
	call  *call
	state *lua.LState
	due   atomic.Bool   // the heap has grown since the last time
	heap  atomic.Uint64 // its size then: to measure makes garbage, too
}

// Done measures if it is time to, then is that of the context. Only the goroutine that
// runs the state calls it.
func (m *meter) Done() <-chan struct{} {
	if m.due.Load() {
		if limit := m.call.host.maxMemory; heldBy(m.state, limit) > limit {
			m.call.cancel(fmt.Errorf("it used more than %d MiB of memory", limit>>20))
		}
		m.heap.Store(heapSize())
		m.due.Store(false)
	}
	return m.Context.Done()
}

// watch has the state measured each time that the heap has grown by a fourth of what it
// may hold. The function returned ends the watch.
//
// Not all can be measured: a short text that was cut out of a long one keeps the long one. So a
// hook is cut off, too, while which this program came to hold four times as much as it may.
func (m *meter) watch() (stop func()) {
	done := make(chan struct{})
	go func() {
		limit := uint64(m.call.host.maxMemory)
		live := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
		metrics.Read(live)
		before := live[0].Value.Uint64()
		m.heap.Store(heapSize())
		tick := time.NewTicker(memoryTick)
		defer tick.Stop()
		for turns := 0; ; {
			select {
			case <-done:
				return
			case <-tick.C:
			}
			if m.due.Load() {
				if turns++; turns < memoryTurns {
					continue // it is measured first
				}
			} else {
				heap := heapSize()
				last := min(m.heap.Load(), heap)
				if m.heap.Store(last); heap-last > limit/4 {
					turns = 0
					m.due.Store(true)
					continue
				}
			}
			if metrics.Read(live); live[0].Value.Uint64() > before+4*limit {
				m.call.cancel(fmt.Errorf("while it ran, this program came to use %d MiB of memory more", (live[0].Value.Uint64()-before)>>20))
				return
			}
		}
	}()
	return func() { close(done) }
}

// heapSize is what all objects of this program take, garbage included, in bytes.
func heapSize() uint64 {
	sample := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}}
	metrics.Read(sample)
	return sample[0].Value.Uint64()
}
