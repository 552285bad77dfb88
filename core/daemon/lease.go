package daemon

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
)

// lease takes the newest lease from the heartbeat's thread to the filter. Where
// the filter offers its lease as mapped memory, the thread stores it there by
// itself: then nothing that may be slow or dead stands between the beat that
// peers hear and the lease. Else it goes through the plugin's process, without
// making the thread wait.
type lease struct {
	filter interface{ Renew(deadline uint64) error }
	log    *slog.Logger
	signal chan struct{}

	mu     sync.Mutex // held for a store, or for changing the memory
	latest uint64
	memory *uint64
	unmap  func() error
}

func newLease(f interface{ Renew(uint64) error }, log *slog.Logger) *lease {
	return &lease{filter: f, log: log, signal: make(chan struct{}, 1)}
}

// until is called with each heartbeat.
func (l *lease) until(deadline uint64) {
	l.mu.Lock()
	l.latest = deadline
	direct := l.memory != nil
	if direct {
		atomic.StoreUint64(l.memory, deadline)
	}
	l.mu.Unlock()
	if direct {
		return
	}
	select {
	case l.signal <- struct{}{}:
	default:
	}
}

// use maps the lease that a filter offers; an empty path ends that. A path that
// cannot be mapped is no error: the plugin is asked instead.
func (l *lease) use(path string) {
	memory, unmap, err := mapLease(path)
	if err != nil {
		l.log.Warn("map the filter's lease; it will be renewed through the plugin", "path", path, "error", err)
	}
	l.mu.Lock()
	old := l.unmap
	l.memory, l.unmap = memory, unmap
	if memory != nil && l.latest > 0 {
		atomic.StoreUint64(memory, l.latest)
	}
	l.mu.Unlock()
	if old != nil {
		if err := old(); err != nil {
			l.log.Warn("unmap the filter's lease", "error", err)
		}
	}
}

// holds says that the lease has not run out: nobody else serves what this node does.
func (l *lease) holds(now uint64) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return now < l.latest
}

// mayAnnounce says that this node may tell the network that addresses are reached here.
// Where the clock of the lease cannot be read, nobody else fences either.
func (d *Daemon) mayAnnounce() bool {
	m := d.current()
	now := bootTime()
	return m == nil || now == 0 || m.lease.holds(now)
}

// run renews through the plugin while there is no memory to do it with.
func (l *lease) run(ctx context.Context) {
	failing := false
	defer l.use("")
	for {
		select {
		case <-ctx.Done():
			return
		case <-l.signal:
		}
		l.mu.Lock()
		deadline := l.latest
		l.mu.Unlock()
		err := l.filter.Renew(deadline)
		if (err != nil) != failing {
			failing = err != nil
			l.log.Debug("renew the lease", "error", err)
		}
	}
}
