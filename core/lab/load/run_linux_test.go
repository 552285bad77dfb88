package load

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"sync/atomic"
	"testing"
	"time"
)

func server(t *testing.T, h http.HandlerFunc) (*httptest.Server, netip.AddrPort) {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return s, netip.MustParseAddrPort(s.Listener.Addr().String())
}

// best judges the best of a few runs: on a machine that stands still meanwhile, if only with one
// of its processors, requests fail that no server failed. What is wrong is so in all runs.
func best(t *testing.T, run func() (wrong string)) {
	t.Helper()
	wrong := ""
	for range 10 {
		if wrong = run(); wrong == "" {
			return
		}
		t.Log(wrong)
	}
	t.Error("so it was in all runs")
}

func TestRunCountsWhoAnswered(t *testing.T) {
	var turn atomic.Int64
	_, target := server(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("X-Node", fmt.Sprintf("n%d", turn.Add(1)%2+1))
	})
	best(t, func() string {
		samples := 0
		var last Report
		report, err := Run(t.Context(), Config{
			Target: target, Rate: 200, Timeout: 900 * time.Millisecond, Duration: 500 * time.Millisecond,
			Every: 50 * time.Millisecond, Sources: []netip.Addr{netip.MustParseAddr("127.0.0.2"), netip.MustParseAddr("127.0.0.3")},
		}, func(r Report) { samples++; last = r })
		if err != nil {
			t.Fatal(err)
		}
		n := report.New
		d := n.Nodes["n1"] - n.Nodes["n2"]
		switch {
		case n.Attempts < 90 || n.Attempts > 101 || n.OK != n.Attempts || n.NotSent != 0 || len(n.Outages) != 0 || d < -1 || d > 1:
			return fmt.Sprintf("%+v", n)
		case samples < 2 || last.New.OK != n.OK:
			return fmt.Sprintf("%d samples, the last with %d answers, the report with %d", samples, last.New.OK, n.OK)
		case n.Latency.P50 <= 0 || n.Latency.Max < n.Latency.P50:
			return fmt.Sprintf("latency %+v", n.Latency)
		}
		return ""
	})
}

func TestRunTellsCausesApart(t *testing.T) {
	_, failing := server(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusInternalServerError) })
	_, silent := server(t, func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	closed, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	nobody := netip.MustParseAddrPort(closed.Addr().String())
	if err := closed.Close(); err != nil {
		t.Fatal(err)
	}
	for cause, target := range map[Cause]netip.AddrPort{BadAnswer: failing, NoAnswer: silent, Refused: nobody} {
		timeout := 900 * time.Millisecond
		if cause == NoAnswer {
			timeout = 50 * time.Millisecond
		}
		best(t, func() string {
			report, err := Run(t.Context(), Config{Target: target, Rate: 100, Timeout: timeout, Duration: 100 * time.Millisecond}, nil)
			if err != nil {
				t.Fatal(err)
			}
			if n := report.New; n.Failed == 0 || n.Causes[cause] != n.Failed || n.OK != 0 || len(n.Outages) != 1 {
				return fmt.Sprintf("%s: %+v", cause, n)
			}
			return ""
		})
	}
}

func TestLongLivedConnectionsAreKeptOrBroken(t *testing.T) {
	s, target := server(t, func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("X-Node", "n7") })
	ctx, cancel := context.WithCancel(t.Context())
	phase := 0
	var before Report
	final, err := Run(ctx, Config{Target: target, Connections: 20, Interval: 20 * time.Millisecond, Every: 10 * time.Millisecond},
		func(r Report) {
			c := r.Connections
			switch {
			case phase == 0 && c.Kept == 20 && c.Requests > 60:
				before = r
				phase = 1
				s.CloseClientConnections()
			case phase == 1 && c.Kept == 20 && c.Broken >= 20:
				cancel()
			}
		})
	if err != nil {
		t.Fatal(err)
	}
	if c := before.Connections; c.Broken != 0 || c.Opened != 20 || c.Nodes["n7"] != 20 || c.Closed != 0 {
		t.Errorf("before: %+v", c)
	}
	c := final.Connections
	if c.Broken != 20 || c.Opened != 40 || c.Breaks[0].Node != "n7" {
		t.Errorf("after: %+v", c)
	}
}

func TestAnnouncedEndIsNoBreak(t *testing.T) {
	_, target := server(t, func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("Connection", "close") })
	ctx, cancel := context.WithCancel(t.Context())
	report, err := Run(ctx, Config{Target: target, Connections: 3, Interval: 10 * time.Millisecond, Every: 10 * time.Millisecond},
		func(r Report) {
			if r.Connections.Closed > 6 {
				cancel()
			}
		})
	if err != nil || report.Connections.Broken != 0 || report.Connections.Kept > 3 {
		t.Fatalf("%v: %+v", err, report.Connections)
	}
}

func TestTooManyInFlightAreNotBlamedOnTheService(t *testing.T) {
	_, silent := server(t, func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	best(t, func() string {
		report, err := Run(t.Context(), Config{Target: silent, Rate: 500, InFlight: 5, Timeout: 300 * time.Millisecond, Duration: 200 * time.Millisecond}, nil)
		if err != nil {
			t.Fatal(err)
		}
		if n := report.New; n.Attempts != n.Failed || n.NotSent < 50 || n.Attempts > 10 {
			return fmt.Sprintf("%+v", n)
		}
		return ""
	})
}

func TestConfigIsChecked(t *testing.T) {
	target := netip.MustParseAddrPort("10.77.0.100:80")
	for name, c := range map[string]Config{
		"no target":           {Rate: 1},
		"nothing to do":       {Target: target},
		"time-out hides SYNs": {Target: target, Rate: 1, Timeout: time.Second},
		"path":                {Target: target, Rate: 1, Path: "x"},
		"mixed versions":      {Target: target, Rate: 1, Sources: []netip.Addr{netip.IPv6Loopback()}},
		"negative":            {Target: target, Rate: -1},
	} {
		if _, err := Run(t.Context(), c, nil); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}
