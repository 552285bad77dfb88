package vip

import (
	"context"
	"log/slog"
	"net"
	"net/netip"
	"sync"
	"time"
)

// repeats is when an announcement is sent, counted from its order. Each lost
// one would cost neighbours about 30 s.
var repeats = [...]time.Duration{0, 50 * time.Millisecond, 200 * time.Millisecond, time.Second, 5 * time.Second}

// Target is an address to announce on an interface with the MAC address that
// is to receive its traffic.
type Target struct {
	Index  int // of the interface
	Addr   netip.Addr
	MAC    net.HardwareAddr
	Source net.HardwareAddr // of the frames, where MAC is a virtual one; nil is MAC
}

// key is what only one announcement at a time is made for.
type key struct {
	index int
	addr  netip.Addr
}

// Announcer repeats announcements in the background.
type Announcer struct {
	log  *slog.Logger
	send func(Target) error
	may  func() bool

	mu      sync.Mutex
	closed  bool
	running map[key]*announcement
	wg      sync.WaitGroup
}

// announcement is one running series.
type announcement struct{ stop context.CancelFunc }

// NewAnnouncer makes an announcer. Failures to send go to log, since nobody
// waits for the repetitions. Before each is sent may is asked: what is due when this
// process wakes up after a pause may be no longer true. Close it in the end.
func NewAnnouncer(log *slog.Logger, may func() bool) *Announcer {
	return newAnnouncer(log, Announce, may)
}

func newAnnouncer(log *slog.Logger, send func(Target) error, may func() bool) *Announcer {
	return &Announcer{log: log, send: send, may: may, running: map[key]*announcement{}}
}

// Announce announces the targets now, and again after 50 ms, 200 ms, 1 s and
// 5 s. A target that is being announced begins anew. It does not wait.
func (a *Announcer) Announce(targets ...Target) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.closed {
		return
	}
	for _, t := range targets {
		k := key{t.Index, t.Addr}
		if old := a.running[k]; old != nil {
			old.stop()
		}
		ctx, stop := context.WithCancel(context.Background())
		run := &announcement{stop}
		a.running[k] = run
		a.wg.Go(func() {
			a.repeat(ctx, t)
			stop()
			a.ended(k, run)
		})
	}
}

// repeat sends one series.
func (a *Announcer) repeat(ctx context.Context, t Target) {
	began := time.Now()
	timer := time.NewTimer(0)
	defer timer.Stop()
	var last string
	for _, after := range repeats {
		timer.Reset(time.Until(began.Add(after)))
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		}
		if ctx.Err() != nil {
			return
		}
		if !a.may() {
			continue
		}
		if err := a.send(t); err != nil && err.Error() != last {
			last = err.Error()
			a.log.Warn("an announcement was not sent; neighbours may go on sending to another node for up to 30 s",
				"address", t.Addr, "interface", t.Index, "error", err)
		}
	}
}

// ended forgets a series, unless a newer one has taken its place.
func (a *Announcer) ended(k key, run *announcement) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.running[k] == run {
		delete(a.running, k)
	}
}

// Cancel stops the announcement of an address on an interface. An
// announcement that is just being sent may still go out.
func (a *Announcer) Cancel(index int, addr netip.Addr) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if run := a.running[key{index, addr}]; run != nil {
		run.stop()
	}
}

// Close stops all announcements and waits until none is being sent.
func (a *Announcer) Close() {
	a.mu.Lock()
	a.closed = true
	for _, run := range a.running {
		run.stop()
	}
	a.mu.Unlock()
	a.wg.Wait()
}
