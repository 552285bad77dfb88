package replication

import (
	"math"
	"os"
	"runtime/debug"
	"sync"
)

// memoryOf is what the process may have for each module that it replicates. What is in use is bounded
// below that by itself (DESIGN.md); the limit makes the garbage collector run before what is
// not in use any more doubles it.
const memoryOf = 224 << 20

// replicators are those of this process.
var replicators struct {
	mu    sync.Mutex
	count int64
}

// boundMemory adds a Replicator to those that the limit is for, or takes one away. A limit that an
// operator has set holds.
func boundMemory(by int64) {
	if os.Getenv("GOMEMLIMIT") != "" {
		return
	}
	r := &replicators
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.count += by; r.count == 0 {
		debug.SetMemoryLimit(math.MaxInt64)
		return
	}
	debug.SetMemoryLimit(r.count * memoryOf)
}
