package demo

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/orchestrator-ha/orchestrator/core/lab"
	"github.com/orchestrator-ha/orchestrator/core/lab/load"
)

// theatre is a farm of three servers and its clients, in the bubble's time.
type theatre struct {
	mu       sync.Mutex
	begin    time.Time
	commands []string
	away     string        // a node that does not serve
	since    time.Time     // when it came back
	takes    time.Duration // the outage that each fault costs
	innocent int           // connections on others that break with each fault
	forever  bool          // the service does not come back
	report   load.Report
}

func newTheatre() *theatre { return &theatre{begin: time.Now(), takes: 80 * time.Millisecond} }

func (s *theatre) Do(_ context.Context, f lab.Fault) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.commands = append(s.commands, strings.TrimSpace(fmt.Sprint(f.Verb, " ", f.Nodes, map[bool]string{true: " all"}[f.All])))
	if f.Verb == lab.Heal {
		s.away, s.since = "", time.Now()
		return nil
	}
	s.lose(f.Nodes[0], true)
	return nil
}

func (s *theatre) lose(node string, hard bool) {
	s.away = node
	if !hard {
		return
	}
	now := float64(time.Since(s.begin).Milliseconds())
	r := &s.report
	r.New.Failed += 8
	r.New.Outages = append(slices.Clone(r.New.Outages), load.Outage{AtMS: now + 1, MS: float64(s.takes.Milliseconds()), Failed: 8})
	breaks := slices.Clone(r.Connections.Breaks)
	for range 20 {
		breaks = append(breaks, load.Break{AtMS: now + 100, AgeMS: 1000, Node: node, Cause: load.Reset})
	}
	for range s.innocent {
		breaks = append(breaks, load.Break{AtMS: now + 100, AgeMS: 1000, Node: "n1", Cause: load.Reset})
	}
	r.Connections.Breaks, r.Connections.Broken = breaks, len(breaks)
}

func (s *theatre) Orchestrate(_ context.Context, node string, args ...string) ([]byte, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch args[0] {
	case "status":
		return s.status(), nil
	case "drain":
		s.lose(args[3], false)
	case "undrain":
		s.away, s.since = "", time.Now()
	}
	s.commands = append(s.commands, node+": "+strings.Join(args, " "))
	return nil, nil
}

func (s *theatre) status() []byte {
	type state struct {
		Node, State, Phase string
	}
	var nodes []state
	for _, n := range []string{"n1", "n2", "n3"} {
		one := state{n, "UP", "Ready"}
		if n == s.away || time.Since(s.since) < time.Second {
			one.State, one.Phase = "WAIT", "Transient"
		}
		nodes = append(nodes, one)
	}
	text, err := json.Marshal(map[string]any{"modules": []any{map[string]any{"name": "web_farm", "nodes": nodes}}})
	if err != nil {
		panic(err)
	}
	return text
}

func (s *theatre) Status() lab.Status {
	return lab.Status{Nodes: []lab.NodeStatus{{Name: "n1"}, {Name: "n2"}, {Name: "n3"}}}
}

func (s *theatre) ClientNamespace() string { return "" }

// load answers as many requests as there are servers, in equal parts.
func (s *theatre) load(ctx context.Context, cfg load.Config, sink func(load.Report)) (load.Report, error) {
	s.report.Start, s.begin = time.Now(), time.Now()
	s.report.Connections.Kept = cfg.Connections
	s.report.New.Nodes = map[string]int64{}
	for {
		select {
		case <-ctx.Done():
			return s.report, nil
		case <-time.After(250 * time.Millisecond):
		}
		s.mu.Lock()
		counts := map[string]int64{}
		for _, node := range []string{"n1", "n2", "n3"} {
			counts[node] = s.report.New.Nodes[node]
			if node != s.away && time.Since(s.since) > time.Second {
				counts[node] += 25
				s.report.New.OK += 25
			}
		}
		if s.forever && s.away != "" {
			s.report.New.Failed++
		}
		s.report.New.Nodes = counts
		s.report.ElapsedMS = float64(time.Since(s.begin).Milliseconds())
		r := s.report
		s.mu.Unlock()
		sink(r)
	}
}

func TestRunPlaysAllActs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newTheatre()
		var out bytes.Buffer
		result, err := Run(t.Context(), s, Config{Out: &out, Load: s.load})
		if err != nil {
			t.Fatalf("%v\n%s", err, out.String())
		}
		want := []string{
			"n1: module install web_farm.safe --set VIRTUAL_IP=10.77.0.100", "n1: start web_farm",
			"kill [n2] all", "heal [n2]", "cut [n3]", "heal [n3]",
			"n1: drain web_farm --node n2", "n1: undrain web_farm --node n2",
		}
		if !slices.Equal(s.commands, want) {
			t.Errorf("commands %q", s.commands)
		}
		golden(t, "run.golden", out.String())
		var doc bytes.Buffer
		if err := result.WriteJSON(&doc); err != nil {
			t.Fatal(err)
		}
		golden(t, "result.golden", doc.String())
	})
}

func TestBreaksOnOtherServersAreAProblem(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newTheatre()
		s.innocent = 2
		var out bytes.Buffer
		result, err := Run(t.Context(), s, Config{Out: &out, Load: s.load, Acts: []string{"cut"}, Terminal: true})
		if err != nil {
			t.Fatal(err)
		}
		want := Connections{Kept: 38, Broken: 20, BrokenOther: 2}
		if got := result.Faults[0].Connections; got != want {
			t.Errorf("got %+v", got)
		}
		if len(result.Problems) != 1 || !strings.Contains(result.Problems[0], "2 connections") {
			t.Errorf("problems %q", result.Problems)
		}
		if !strings.Contains(out.String(), "cable cut") || !strings.Contains(out.String(), "\x1b[J") {
			t.Error("no live table on a terminal")
		}
	})
}

func TestRequestsAnsweredTwiceAreAProblem(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newTheatre()
		two := int64(2)
		s.report.New.Doubled, s.report.New.Doubles = &two, []load.Double{{AtMS: 1500}, {AtMS: 1600}}
		var out bytes.Buffer
		result, err := Run(t.Context(), s, Config{Out: &out, Load: s.load, Acts: []string{"drain"}})
		if err != nil {
			t.Fatal(err)
		}
		if result.AnsweredTwice != 2 || len(result.Problems) != 1 || !strings.Contains(result.Problems[0], "two servers, the first at 1.5 s") || strings.Contains(out.String(), "no request was answered") {
			t.Errorf("%+v\n%s", result, out.String())
		}
	})
}

func TestRunFailsWhenTheServiceStaysAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newTheatre()
		s.forever = true
		_, err := Run(t.Context(), s, Config{Out: &bytes.Buffer{}, Load: s.load})
		if err == nil || !strings.Contains(err.Error(), "the others have taken over from n2") {
			t.Errorf("got %v", err)
		}
	})
}

func TestRunEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newTheatre()
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		if _, err := Run(ctx, s, Config{Out: &bytes.Buffer{}, Load: s.load}); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v", err)
		}
	})
}

func TestRunTellsThatTheLoadEnded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		broken := errors.New("no such namespace")
		_, err := Run(t.Context(), newTheatre(), Config{Out: &bytes.Buffer{}, Load: func(context.Context, load.Config, func(load.Report)) (load.Report, error) {
			return load.Report{}, broken
		}})
		if !errors.Is(err, broken) {
			t.Errorf("got %v", err)
		}
	})
}
