package vip

import (
	"bytes"
	"errors"
	"log/slog"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// sent records when announcements went out.
type sent struct {
	mu    sync.Mutex
	began time.Time
	at    map[string][]time.Duration
	err   error
}

func (s *sent) send(t Target) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	k := t.Addr.String() + " " + t.MAC.String()
	s.at[k] = append(s.at[k], time.Since(s.began))
	return s.err
}

func target(addr string, last byte) Target {
	return Target{Index: 2, Addr: netip.MustParseAddr(addr), MAC: []byte{2, 0, 0, 0, 0, last}}
}

func TestAnnouncer(t *testing.T) {
	tests := []struct {
		name string
		run  func(a *Announcer)
		want map[string][]time.Duration
	}{
		{"repeats", func(a *Announcer) { a.Announce(target("10.0.0.1", 1), target("10.0.0.2", 1)) },
			map[string][]time.Duration{"10.0.0.1 02:00:00:00:00:01": repeats[:], "10.0.0.2 02:00:00:00:00:01": repeats[:]}},
		{"begins anew", func(a *Announcer) {
			a.Announce(target("10.0.0.1", 1))
			time.Sleep(100 * time.Millisecond)
			a.Announce(target("10.0.0.1", 2))
		}, map[string][]time.Duration{
			"10.0.0.1 02:00:00:00:00:01": {0, 50 * time.Millisecond},
			"10.0.0.1 02:00:00:00:00:02": {100 * time.Millisecond, 150 * time.Millisecond, 300 * time.Millisecond, 1100 * time.Millisecond, 5100 * time.Millisecond},
		}},
		{"canceled", func(a *Announcer) {
			a.Announce(target("10.0.0.1", 1), target("10.0.0.2", 1))
			time.Sleep(100 * time.Millisecond)
			a.Cancel(2, netip.MustParseAddr("10.0.0.1"))
			a.Cancel(2, netip.MustParseAddr("10.0.0.9"))
		}, map[string][]time.Duration{"10.0.0.1 02:00:00:00:00:01": repeats[:2], "10.0.0.2 02:00:00:00:00:01": repeats[:]}},
		{"closed", func(a *Announcer) {
			a.Announce(target("10.0.0.1", 1))
			time.Sleep(300 * time.Millisecond)
			a.Close()
			a.Announce(target("10.0.0.2", 1))
		}, map[string][]time.Duration{"10.0.0.1 02:00:00:00:00:01": repeats[:3]}},
	}
	for _, c := range tests {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := &sent{began: time.Now(), at: map[string][]time.Duration{}}
				a := newAnnouncer(slog.New(slog.DiscardHandler), s.send, always)
				c.run(a)
				time.Sleep(10 * time.Second)
				a.Close()
				if len(s.at) != len(c.want) {
					t.Errorf("%v instead of %v", s.at, c.want)
				}
				for k, want := range c.want {
					if !slices.Equal(s.at[k], want) {
						t.Errorf("%s at %v instead of %v", k, s.at[k], want)
					}
				}
				if len(a.running) != 0 {
					t.Errorf("%d series are left", len(a.running))
				}
			})
		})
	}
}

func TestAnnouncerSaysEachFailureOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		s := &sent{began: time.Now(), at: map[string][]time.Duration{}, err: errors.New("network is down")}
		a := newAnnouncer(slog.New(slog.NewTextHandler(&log, nil)), s.send, always)
		a.Announce(target("10.0.0.1", 1))
		time.Sleep(10 * time.Second)
		a.Close()
		if n := strings.Count(log.String(), "network is down"); n != 1 {
			t.Errorf("said %d times: %s", n, log.String())
		}
	})
}

func always() bool { return true }

// What is due while this node may not speak for the address is left out, and the rest is
// sent when it may.
func TestAnnouncerIsSilentWithoutLease(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &sent{began: time.Now(), at: map[string][]time.Duration{}}
		var lease atomic.Bool
		lease.Store(true)
		a := newAnnouncer(slog.New(slog.DiscardHandler), s.send, lease.Load)
		a.Announce(target("10.0.0.1", 1))
		time.Sleep(10 * time.Millisecond)
		lease.Store(false)
		time.Sleep(500 * time.Millisecond)
		lease.Store(true)
		time.Sleep(10 * time.Second)
		a.Close()
		if got := s.at["10.0.0.1 02:00:00:00:00:01"]; !slices.Equal(got, []time.Duration{0, time.Second, 5 * time.Second}) {
			t.Errorf("sent at %v instead of at 0, 1 and 5 s", got)
		}
	})
}
