package sdk

import (
	"context"
	"errors"
	"fmt"
	"sync"

	pluginpb "github.com/orchestrator-ha/orchestrator/sdk/proto"
)

// leaseSender sends lease renewals from a goroutine of its own, so that the
// heartbeat which asks for them never waits for a plugin that hangs. Only the
// newest deadline matters: one that was not sent yet is replaced.
type leaseSender struct {
	rpc    pluginpb.FilterClient
	plugin string
	ctx    context.Context // ends with close
	close  context.CancelFunc
	wake   chan struct{}

	mu      sync.Mutex
	next    uint64
	running bool
	err     error // of the last stream, told once
}

func newLeaseSender(rpc pluginpb.FilterClient, plugin string) *leaseSender {
	l := &leaseSender{rpc: rpc, plugin: plugin, wake: make(chan struct{}, 1)}
	l.ctx, l.close = context.WithCancel(context.Background())
	return l
}

func (l *leaseSender) renew(deadline uint64) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.ctx.Err() != nil {
		return fmt.Errorf("renew lease: %w", ErrUnavailable)
	}
	l.next = deadline
	if !l.running {
		l.running = true
		go l.run()
	}
	select {
	case l.wake <- struct{}{}:
	default:
	}
	err := l.err
	l.err = nil
	return err
}

// run sends until the stream fails; the next renewal starts another.
func (l *leaseSender) run() {
	err := l.stream()
	l.mu.Lock()
	defer l.mu.Unlock()
	l.running = false
	l.err = fmt.Errorf("renew lease: %w", fromWire(err))
}

func (l *leaseSender) stream() error {
	ctx, cancel := context.WithCancel(l.ctx)
	defer cancel()
	stream, err := l.rpc.Lease(ctx)
	if err != nil {
		return err
	}
	ended := make(chan error, 1)
	go func() { ended <- stream.RecvMsg(&pluginpb.Done{}) }()
	for {
		select {
		case err := <-ended:
			return endOfLease(err)
		case <-l.wake:
		}
		l.mu.Lock()
		deadline := l.next
		l.mu.Unlock()
		if stream.Send(&pluginpb.Renewal{Plugin: l.plugin, Deadline: deadline}) != nil {
			return endOfLease(<-ended) // Send tells only that the stream ended, this tells why
		}
	}
}

func endOfLease(err error) error {
	if err == nil {
		return errors.New("plugin ended the stream of renewals")
	}
	return err
}
