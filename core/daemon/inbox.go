package daemon

import "sync"

// inbox is a queue without limit, so that those who put something in never wait for the
// loop that takes it: that loop may be waiting for them.
type inbox[T any] struct {
	mu     sync.Mutex
	items  []T
	signal chan struct{} // there is something to take
}

func newInbox[T any]() *inbox[T] { return &inbox[T]{signal: make(chan struct{}, 1)} }

func (b *inbox[T]) put(item T) {
	b.mu.Lock()
	b.items = append(b.items, item)
	b.mu.Unlock()
	select {
	case b.signal <- struct{}{}:
	default:
	}
}

// take empties the inbox, in order.
func (b *inbox[T]) take() []T {
	b.mu.Lock()
	defer b.mu.Unlock()
	items := b.items
	b.items = nil
	return items
}
