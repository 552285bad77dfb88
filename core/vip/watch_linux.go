package vip

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/vishvananda/netlink"
)

const (
	// watchBuffer holds some thousand netlink messages: enough for a host that makes
	// many containers at once.
	watchBuffer = 1 << 20
	// watchAgain is how long a broken subscription waits before it is made anew.
	watchAgain = time.Second
)

// Watch calls changed, never twice at a time, when it begins and after interfaces or
// addresses of this node have changed, whatever it was: ask Look what is so now.
// Many changes may be told of at once. It returns when ctx ends.
func Watch(ctx context.Context, log *slog.Logger, changed func()) {
	for ctx.Err() == nil {
		w, err := subscribe()
		if err == nil {
			err = w.run(ctx, changed)
			w.close()
		}
		if ctx.Err() != nil {
			return
		}
		log.Warn("watch the node's interfaces; changes are seen late meanwhile", "error", err)
		select {
		case <-ctx.Done():
		case <-time.After(watchAgain):
		}
	}
}

// watch is a subscription to changes of interfaces and addresses.
type watch struct {
	done   chan struct{}
	failed chan error
	links  chan netlink.LinkUpdate
	addrs  chan netlink.AddrUpdate
}

func subscribe() (*watch, error) {
	w := &watch{
		done: make(chan struct{}), failed: make(chan error, 2),
		links: make(chan netlink.LinkUpdate, 64), addrs: make(chan netlink.AddrUpdate, 64),
	}
	fail := func(err error) {
		select {
		case w.failed <- err:
		default:
		}
	}
	if err := netlink.LinkSubscribeWithOptions(w.links, w.done, netlink.LinkSubscribeOptions{
		ErrorCallback: fail, ReceiveBufferSize: watchBuffer, ReceiveBufferForceSize: true}); err != nil {
		return nil, fmt.Errorf("subscribe to changes of interfaces: %w", err)
	}
	if err := netlink.AddrSubscribeWithOptions(w.addrs, w.done, netlink.AddrSubscribeOptions{
		ErrorCallback: fail, ReceiveBufferSize: watchBuffer, ReceiveBufferForceSize: true}); err != nil {
		close(w.done)
		return nil, fmt.Errorf("subscribe to changes of addresses: %w", err)
	}
	return w, nil
}

// run tells of changes until ctx ends or the subscription breaks, as it does
// when messages were lost.
func (w *watch) run(ctx context.Context, changed func()) error {
	for {
		changed() // what came before the subscription, or what was told of
		select {
		case <-ctx.Done():
			return ctx.Err()
		case err := <-w.failed:
			return err
		case _, ok := <-w.links:
			if !ok {
				return errEnded
			}
		case _, ok := <-w.addrs:
			if !ok {
				return errEnded
			}
		}
		drain(w.links)
		drain(w.addrs)
	}
}

var errEnded = errors.New("the kernel's messages ended")

// close ends the subscription, and its goroutines, which may wait to hand over a
// change.
func (w *watch) close() {
	close(w.done)
	go func() {
		for range w.links {
		}
	}()
	go func() {
		for range w.addrs {
		}
	}()
}

// drain takes what is there already.
func drain[T any](c <-chan T) {
	for {
		select {
		case _, ok := <-c:
			if !ok {
				return
			}
		default:
			return
		}
	}
}
