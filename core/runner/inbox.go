package runner

import (
	"sync"

	"github.com/orchestrator-ha/orchestrator/core"
)

// letter is an event with, for a command, the place for the verdict.
type letter struct {
	event   core.Event
	verdict chan<- error // has room for one; may be nil
	order   int          // which share order it answers; 0 is none
	timer   int          // which setting of the timer ran out; 0 is none
}

// inbox is a queue without limit, so that those who post never wait for a loop
// that they may themselves be called from. What is posted is small and rare.
type inbox struct {
	mu      sync.Mutex
	letters []letter
	signal  chan struct{} // has a token when letters may be there
}

func (b *inbox) put(l letter) {
	b.mu.Lock()
	b.letters = append(b.letters, l)
	b.mu.Unlock()
	select {
	case b.signal <- struct{}{}:
	default:
	}
}

// take empties the inbox.
func (b *inbox) take() []letter {
	b.mu.Lock()
	defer b.mu.Unlock()
	letters := b.letters
	b.letters = nil
	return letters
}
