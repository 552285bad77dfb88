package catalog

import (
	"slices"
	"sync"
)

// notifier hands items to subscribers in the order in which they were added,
// never under the catalog's lock. Of several goroutines in deliver one works
// and the others return; a subscriber that changes the catalog adds to the
// queue that is just being worked off.
type notifier struct {
	mu      sync.Mutex
	subs    []*func(Item)
	queue   []Item
	working bool
}

func (n *notifier) subscribe(f func(Item)) (cancel func()) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.subs = append(n.subs, &f)
	return func() {
		n.mu.Lock()
		defer n.mu.Unlock()
		n.subs = slices.DeleteFunc(slices.Clone(n.subs), func(s *func(Item)) bool { return s == &f })
	}
}

func (n *notifier) add(it Item) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.queue = append(n.queue, it)
}

func (n *notifier) deliver() {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.working {
		return
	}
	n.working = true
	for len(n.queue) > 0 {
		it := n.queue[0]
		n.queue = n.queue[1:]
		subs := n.subs
		n.mu.Unlock()
		for _, s := range subs {
			(*s)(it)
		}
		n.mu.Lock()
	}
	n.working = false
}
