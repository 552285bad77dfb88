// Package inbox has the queue between a loop and those who tell it something.
package inbox

import "sync"

// Inbox is a queue without limit, so that those who put something in never wait for the
// loop that takes it: that loop may be waiting for them, or have called them. What is put in
// is small and rare.
type Inbox[T any] struct {
	mu     sync.Mutex
	items  []T
	signal chan struct{}
}

// New makes an empty inbox.
func New[T any]() *Inbox[T] { return &Inbox[T]{signal: make(chan struct{}, 1)} }

// Signal has a token when there may be something to take.
func (b *Inbox[T]) Signal() <-chan struct{} { return b.signal }

// Put adds an item. It does not wait.
func (b *Inbox[T]) Put(item T) {
	b.mu.Lock()
	b.items = append(b.items, item)
	b.mu.Unlock()
	select {
	case b.signal <- struct{}{}:
	default:
	}
}

// Take empties the inbox, in order.
func (b *Inbox[T]) Take() []T {
	b.mu.Lock()
	defer b.mu.Unlock()
	items := b.items
	b.items = nil
	return items
}
