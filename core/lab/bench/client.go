package main

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/orchestrator-ha/orchestrator/core/lab/load"
)

// client is a load that runs until end, with its samples.
type client struct {
	cancel context.CancelFunc
	done   chan struct{}
	mu     sync.Mutex
	last   load.Report
	past   load.Report // a second or so before last
	ring   []load.Report
	final  load.Report
	err    error
}

func startClient(ctx context.Context, cfg load.Config) *client {
	ctx, cancel := context.WithCancel(ctx)
	c := &client{cancel: cancel, done: make(chan struct{})}
	go func() {
		defer close(c.done)
		c.final, c.err = load.Run(ctx, cfg, c.sample)
	}()
	return c
}

func (c *client) sample(r load.Report) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ring = append(c.ring, r)
	for len(c.ring) > 1 && r.ElapsedMS-c.ring[1].ElapsedMS >= 1000 {
		c.ring = c.ring[1:]
	}
	c.last, c.past = r, c.ring[0]
}

// now is the last sample, and the one from a second before.
func (c *client) now() (last, past load.Report) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.last, c.past
}

// clock is the time on the load's clock, in ms.
func (c *client) clock() float64 {
	last, _ := c.now()
	return float64(time.Since(last.Start)) / float64(time.Millisecond)
}

// until waits for a condition on the samples of the last second.
func (c *client) until(ctx context.Context, limit time.Duration, what string, ok func(last, past load.Report) bool) error {
	ctx, cancel := context.WithTimeoutCause(ctx, limit, fmt.Errorf("not within %s: %s", limit, what))
	defer cancel()
	for {
		if last, past := c.now(); last.ElapsedMS-past.ElapsedMS >= 900 && ok(last, past) {
			return nil
		}
		select {
		case <-c.done:
			return fmt.Errorf("the load ended: %w", c.err)
		default:
		}
		if rest(ctx, 50*time.Millisecond) != nil {
			return context.Cause(ctx)
		}
	}
}

// end stops the load and answers the whole.
func (c *client) end() (load.Report, error) {
	c.cancel()
	<-c.done
	return c.final, c.err
}

// whole says that in the last second all was answered.
func whole(last, past load.Report) bool {
	return last.New.Failed == past.New.Failed && last.New.OK > past.New.OK
}
