package daemon

import (
	"slices"
	"sync"
	"time"

	"github.com/orchestrator-ha/orchestrator/core/metrics"
	"github.com/orchestrator-ha/orchestrator/core/share"
)

// What happens seldom enough to be counted where it happens; the rest of the metrics
// is read when it is asked for.

// hookRuns counts a module's hooks, by name.
type hookRuns struct {
	mu     sync.Mutex
	byName map[string]*hookRun
}

type hookRun struct {
	took   *metrics.Distribution // seconds
	failed int
}

// count notes a run that has ended.
func (h *hookRuns) count(name string, ok bool, took time.Duration) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.byName == nil {
		h.byName = map[string]*hookRun{}
	}
	r := h.byName[name]
	if r == nil {
		r = &hookRun{took: metrics.NewDistribution(0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30, 100, 300)}
		h.byName[name] = r
	}
	r.took.Observe(took.Seconds())
	if !ok {
		r.failed++
	}
}

// each visits the hooks that ran.
func (h *hookRuns) each(visit func(name string, r hookRun)) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for name, r := range h.byName {
		visit(name, *r)
	}
}

// shareChanges counts what becomes of a module's tables on this node.
type shareChanges struct {
	views   int       // that came of a plan: its steps
	tables  int       // in which another node owns a bucket, or may have connections in it
	changed time.Time // when the tables last became different
}

func (c *shareChanges) count(before *share.Install, next share.Install) {
	if before == nil || before.View.Epoch != next.View.Epoch {
		c.views++
	}
	if before != nil && slices.EqualFunc(before.View.Tables, next.View.Tables, func(a, b share.Table) bool {
		return a.Name == b.Name && slices.Equal(a.Rows, b.Rows)
	}) {
		return
	}
	c.tables++
	c.changed = time.Now()
}

// counted is what has changed so far.
func (s *sharing) counted() shareChanges {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.changes
}
