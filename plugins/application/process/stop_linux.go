package process

import (
	"context"
	"fmt"
	"syscall"
	"time"

	"github.com/orchestrator-ha/orchestrator/sdk"
)

// killTime is what is kept of a deadline for killing what did not end.
const killTime = 2 * time.Second

var signals = map[string]syscall.Signal{
	"TERM": syscall.SIGTERM, "INT": syscall.SIGINT, "QUIT": syscall.SIGQUIT, "HUP": syscall.SIGHUP,
	"USR1": syscall.SIGUSR1, "USR2": syscall.SIGUSR2, "WINCH": syscall.SIGWINCH, "KILL": syscall.SIGKILL,
}

// Stop tells the main process to end, then those that it left behind, and kills
// everything that is there when stop_timeout is over, or at once if forced.
func (c *controller) Stop(ctx context.Context, r sdk.AppRequest) error {
	s, err := parse(r.Settings)
	if err != nil {
		return err
	}
	unlock, err := c.lock(ctx, r.Instance)
	if err != nil {
		return err
	}
	defer unlock()
	in, err := c.find(r.Instance)
	if err != nil {
		return err
	}
	if len(in.pids) > 0 && !r.Force {
		grace := time.Duration(s.StopTimeout)
		if d, ok := ctx.Deadline(); ok {
			grace = min(grace, max(time.Until(d)-killTime, time.Until(d)/2))
		}
		if _, err := empty(ctx, in, grace, teller(signals[s.StopSignal])); err != nil {
			return fmt.Errorf("stop %s: %w", r.Instance, err)
		}
	}
	return c.clear(ctx, in)
}

// clear kills what runs of an instance and removes its traces.
func (c *controller) clear(ctx context.Context, in *instance) error {
	limit := time.NewTimer(10 * time.Second) // for callers without a deadline
	defer limit.Stop()
	for {
		pids, err := in.group.pids()
		if err != nil {
			return fmt.Errorf("stop %s: %w", in.name, err)
		}
		if len(pids) == 0 {
			return c.forget(in)
		}
		if err := in.group.kill(); err != nil {
			return fmt.Errorf("kill %s: %w", in.name, err)
		}
		gone, err := empty(ctx, in, 500*time.Millisecond, func(*instance) error { return nil })
		if err != nil {
			return fmt.Errorf("kill %s: %w", in.name, err)
		}
		if gone {
			return c.forget(in)
		}
		select {
		case <-limit.C:
			return fmt.Errorf("kill %s: processes %v live on after SIGKILL; they may hang in the kernel, see /proc/PID/stack", in.name, pids)
		default:
		}
	}
}

// teller tells the main process to end, and when that is gone those whom it left
// behind, each once.
func teller(sig syscall.Signal) func(*instance) error {
	told := map[int]bool{}
	return func(in *instance) error {
		var news []int
		for _, pid := range in.main() {
			if !told[pid] {
				told[pid] = true
				news = append(news, pid)
			}
		}
		return signalAll(news, sig)
	}
}

// empty waits until nothing of the instance runs, but no longer than limit, and
// calls urge at each look. The error is urge's, ctx's, or that nobody can tell.
func empty(ctx context.Context, in *instance, limit time.Duration, urge func(*instance) error) (bool, error) {
	tick := time.NewTicker(look)
	defer tick.Stop()
	for until := time.Now().Add(limit); ; {
		var err error
		if in.pids, err = in.group.pids(); err != nil {
			return false, err
		}
		if len(in.pids) == 0 {
			return true, nil
		}
		if err := urge(in); err != nil {
			return false, err
		}
		if time.Now().After(until) {
			return false, nil
		}
		select {
		case <-ctx.Done():
			return false, fmt.Errorf("processes %v still run: %w", in.pids, ctx.Err())
		case <-tick.C:
		}
	}
}
