package w3svc

import (
	"context"
	"fmt"
	"time"
)

const (
	// look is the pause between two looks at a service that is changing: the
	// service manager answers before the change is done.
	look = 100 * time.Millisecond
	// again is after how many looks a service that still is as it was is asked
	// once more: while it is stopping it takes no start, and the reverse.
	again = 10
)

// startOne starts a service and waits until it runs.
func (c *controller) startOne(ctx context.Context, service string) error {
	began := false
	return c.until(ctx, service, func(st status, n int) (bool, error) {
		switch {
		case st.phase == running:
			return true, nil
		case st.phase == stopped && began && st.exit != 0:
			return false, fmt.Errorf("it stopped again with error %d; see the Windows event log", st.exit)
		case st.phase == stopped && n%again == 0:
			began = true
			return false, c.manager.start(service)
		}
		began = began || st.phase == other
		return false, nil
	})
}

// stopAll stops the services that depend on a service, and then it.
func (c *controller) stopAll(ctx context.Context, service string, force bool) error {
	dependents, err := c.manager.dependents(service)
	if err != nil {
		return fmt.Errorf("list the services that depend on %s: %w", service, err)
	}
	for _, s := range append(dependents, service) {
		if err := c.stopOne(ctx, s, force); err != nil {
			return fmt.Errorf("stop service %s: %w", s, err)
		}
	}
	return nil
}

// stopOne stops a service and waits until it has stopped. Force gives it one
// second before its process is ended.
func (c *controller) stopOne(ctx context.Context, service string, force bool) error {
	return c.until(ctx, service, func(st status, n int) (bool, error) {
		switch {
		case st.phase == stopped:
			return true, nil
		case force && n > 0 && n%again == 0:
			return false, c.manager.kill(service)
		case n%again == 0 && st.word != "stop-pending":
			return false, c.manager.stop(service)
		}
		return false, nil
	})
}

// until looks at a service until step says that it is done, fails, or ctx ends.
func (c *controller) until(ctx context.Context, service string, step func(st status, n int) (bool, error)) error {
	tick := time.NewTicker(look)
	defer tick.Stop()
	for n := 0; ; n++ {
		st, err := c.manager.query(service)
		if err != nil {
			return err
		}
		if done, err := step(st, n); done || err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("it is %s: %w", st.word, ctx.Err())
		case <-tick.C:
		}
	}
}
