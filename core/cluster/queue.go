package cluster

import (
	"context"
	"sync"
)

// maxQueued bounds the messages that wait for a slow consumer. Membership
// events are few and never dropped.
const maxQueued = 4096

// queue passes events from callbacks, which must not block, to one consumer.
type queue struct {
	out  chan Event
	wake chan struct{}

	mu       sync.Mutex
	list     []Event
	messages int
}

func newQueue() *queue {
	return &queue{out: make(chan Event), wake: make(chan struct{}, 1)}
}

// add reports false if the event was dropped.
func (q *queue) add(e Event) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if e.Kind == Message {
		if q.messages >= maxQueued {
			return false
		}
		q.messages++
	}
	q.list = append(q.list, e)
	select {
	case q.wake <- struct{}{}:
	default:
	}
	return true
}

func (q *queue) take() (Event, bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.list) == 0 {
		return Event{}, false
	}
	e := q.list[0]
	q.list[0] = Event{} // let go of the payload
	q.list = q.list[1:]
	if e.Kind == Message {
		q.messages--
	}
	return e, true
}

// pump delivers until ctx ends and then closes the channel.
func (q *queue) pump(ctx context.Context) {
	defer close(q.out)
	for {
		e, ok := q.take()
		if !ok {
			select {
			case <-q.wake:
				continue
			case <-ctx.Done():
				return
			}
		}
		select {
		case q.out <- e:
		case <-ctx.Done():
			return
		}
	}
}
