package daemon

import (
	"context"
	"sync"
	"time"
)

// census remembers how many connections a module has here, by group. To count them the
// kernel's sockets are walked; so that those who look again and again, consoles and a
// Prometheus, cost at most a hundredth of a processor together, a count is good for a
// hundred times as long as it took.
type census struct {
	mu    sync.Mutex
	count map[string]int
	until time.Time
}

// ask answers the last count, while it is good, or counts.
func (c *census) ask(count func() (map[string][]uint32, error)) (map[string]int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	begin := time.Now()
	if begin.Before(c.until) {
		return c.count, nil
	}
	groups, err := count()
	if err != nil {
		return nil, err
	}
	c.count = map[string]int{}
	for group, buckets := range groups {
		for _, n := range buckets {
			c.count[group] += int(n)
		}
	}
	end := time.Now()
	c.until = end.Add(100 * end.Sub(begin))
	return c.count, nil
}

// connections are the module's open connections on this node, by group.
func (mod *module) connections(ctx context.Context) (map[string]int, error) {
	return mod.census.ask(func() (map[string][]uint32, error) { return mod.m.d.filter.Sockets(ctx, mod.conf.Name) })
}
