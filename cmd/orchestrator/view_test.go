package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/orchestrator-ha/orchestrator/core/control"
)

func TestTable(t *testing.T) {
	tab := table{heads: []string{"A", "LONGER", "REST"}}
	tab.add(plain("ü"), tinted("x", red), plain("a text that is far too long\nfor this"))
	tab.add(plain("wide"), plain(""), plain(""))
	for name, c := range map[string]struct {
		color bool
		limit int
		want  string
	}{
		"whole": {want: "A     LONGER  REST\nü     x       a text that is far too long for this\nwide\n"},
		"cut":   {limit: 32, want: "A     LONGER  REST\nü     x       a text that is fa…\nwide\n"},
		"color": {color: true, limit: 32, want: "\x1b[2mA\x1b[0m     \x1b[2mLONGER\x1b[0m  \x1b[2mREST\x1b[0m\nü     \x1b[31mx\x1b[0m       a text that is fa…\nwide\n"},
	} {
		var b bytes.Buffer
		if err := tab.write(&b, c.color, c.limit); err != nil || b.String() != c.want {
			t.Errorf("%s: %v\n%q\nwant\n%q", name, err, b.String(), c.want)
		}
	}
}

func TestBar(t *testing.T) {
	for part, want := range map[float64]string{0: "····", 1: "████", 0.5: "██··", 0.28: "█▏··", -1: "····", 7: "████", 0.999: "████"} {
		if got := bar(part, 4); got != want {
			t.Errorf("bar(%g) = %s, want %s", part, got, want)
		}
	}
}

// Looking again and again goes on through a failure, ends with the context, and
// that is no error.
func TestWatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		a := &app{env: env{stdout: &out, lookup: func(string) (string, bool) { return "", false }}}
		ctx, cancel := context.WithTimeout(t.Context(), 3*watchEvery+watchEvery/2)
		defer cancel()
		n := 0
		err := a.watch(ctx, func(_ context.Context, w io.Writer) error {
			if n++; n == 2 {
				return errors.New("away")
			}
			fmt.Fprintln(w, "look", n)
			return nil
		})
		if want := "look 1\n\norchestrator: away\n\nlook 3\n\nlook 4\n"; err != nil || out.String() != want {
			t.Errorf("%v\n%q\nwant\n%q", err, out.String(), want)
		}
	})
}

func TestWatchNeedsABeginning(t *testing.T) {
	away := errors.New("away")
	a := &app{env: env{stdout: io.Discard, lookup: func(string) (string, bool) { return "", false }}}
	if err := a.watch(t.Context(), func(context.Context, io.Writer) error { return away }); !errors.Is(err, away) {
		t.Errorf("got %v", err)
	}
}

func TestPinDir(t *testing.T) {
	one, same, other := pinDir("/var/lib/a"), pinDir("/var/lib/a/"), pinDir("/var/lib/b")
	if one != same || one == other || !strings.HasPrefix(one, "/sys/fs/bpf/orchestrator-") || len(one) != len("/sys/fs/bpf/orchestrator-")+12 {
		t.Errorf("%s %s %s", one, same, other)
	}
}

func TestLogSince(t *testing.T) {
	now := time.Date(2025, 1, 31, 8, 0, 0, 0, time.UTC)
	for since, want := range map[string]string{"10m": "2025-01-31T07:50:00Z", "2025-01-30T00:00:00+01:00": "2025-01-30T00:00:00+01:00"} {
		q, err := logFlags{since: since, limit: 1}.query(nil, now)
		if err != nil || q.Get("since") != want {
			t.Errorf("--since %s: %v %v, want %s", since, q, err, want)
		}
	}
}

func TestInterrupted(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	var stderr bytes.Buffer
	a := &app{env: env{stdout: io.Discard, stderr: &stderr}, started: true}
	if code := a.end(ctx, nil, fmt.Errorf("ask: %w", context.Canceled)); code != exitInterrupted || stderr.String() != "orchestrator: interrupted\n" {
		t.Errorf("%d %q", code, stderr.String())
	}
}

// Of a module that is not started nothing moves.
func TestExplainOfNobody(t *testing.T) {
	for share, want := range map[float64]string{0: "  nobody serves it now\n", 1: "  the servers are changing their tables at this moment\n"} {
		var b strings.Builder
		explainPath(&b, control.Path{Module: "web", Group: "g", Address: "192.0.2.10", Rule: "tcp", Moving: true, Nodes: []control.Standing{{Node: "n1", Share: share}}}, false)
		if !strings.Contains(b.String(), want) || strings.Count(b.String(), " at this moment")+strings.Count(b.String(), "nobody serves") != 1 {
			t.Errorf("a share of %g:\n%s", share, b.String())
		}
	}
}
