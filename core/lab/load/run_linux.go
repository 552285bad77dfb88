package load

import (
	"context"
	"fmt"
	"net/netip"
	"os"
	"runtime"
	"sync"

	"golang.org/x/sys/unix"
)

// Run makes load until cfg.Duration is over or ctx ends, which is no error, and
// answers the whole. sink, when not nil, gets samples in order from one
// goroutine; a slow sink misses some, the last one it gets is the final report.
func Run(ctx context.Context, cfg Config, sink func(Report)) (Report, error) {
	cfg, err := cfg.complete()
	if err != nil {
		return Report{}, err
	}
	samples := make(chan Report, 1)
	var telling sync.WaitGroup
	telling.Go(func() {
		for sample := range samples {
			if sink != nil {
				sink(sample)
			}
		}
	})
	var report Report
	done := make(chan struct{})
	go func() {
		defer close(done)
		report, err = runInside(ctx, cfg, func(r Report) { offer(samples, r) })
	}()
	<-done
	if err == nil {
		offer(samples, report)
	}
	close(samples)
	telling.Wait()
	return report, err
}

// offer puts the newest sample where the sink finds it; an older one that it has
// not taken goes.
func offer(samples chan Report, r Report) {
	select {
	case <-samples:
	default:
	}
	samples <- r
}

// runInside runs the loop on a thread of its own, in the client's namespace.
func runInside(ctx context.Context, cfg Config, tell func(Report)) (Report, error) {
	runtime.LockOSThread()
	back, err := enter(cfg.Namespace)
	if err != nil {
		runtime.UnlockOSThread()
		return Report{}, err
	}
	// A thread that cannot go back is not unlocked, so that nobody else gets it.
	defer func() {
		if back() == nil {
			runtime.UnlockOSThread()
		}
	}()
	l, err := newLoop(cfg, tell)
	if err != nil {
		return Report{}, err
	}
	return l.run(ctx)
}

// enter moves the thread into a namespace and answers the way back.
func enter(path string) (func() error, error) {
	if path == "" {
		return func() error { return nil }, nil
	}
	home, err := os.Open(fmt.Sprintf("/proc/self/task/%d/ns/net", unix.Gettid()))
	if err != nil {
		return nil, fmt.Errorf("open the thread's network namespace: %w", err)
	}
	target, err := os.Open(path)
	if err != nil {
		_ = home.Close()
		return nil, fmt.Errorf("open the client's network namespace: %w", err)
	}
	defer target.Close()
	if err := unix.Setns(int(target.Fd()), unix.CLONE_NEWNET); err != nil {
		_ = home.Close()
		return nil, fmt.Errorf("enter the network namespace %s (root is needed): %w", path, err)
	}
	return func() error {
		defer home.Close()
		return unix.Setns(int(home.Fd()), unix.CLONE_NEWNET)
	}, nil
}

// source is the client's address for a connection; the zero one leaves it to the
// kernel.
func (l *loop) source(seq int64) netip.Addr {
	if len(l.cfg.Sources) == 0 {
		return netip.Addr{}
	}
	return l.cfg.Sources[int(seq)%len(l.cfg.Sources)]
}
