package sdk

import (
	"context"
	"encoding/json"
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

// scripted is a checker whose findings and duration the test sets.
type scripted struct {
	result func(n int) Result
	took   time.Duration
	deaf   bool // ignores its deadline
	calls  int
}

func (*scripted) Describe() Description { return Description{Name: "scripted", Kind: KindChecker} }

func (s *scripted) Check(ctx context.Context, _ json.RawMessage) Result {
	s.calls++
	done := ctx.Done()
	if s.deaf {
		done = nil
	}
	select {
	case <-time.After(s.took):
	case <-done:
		return Result{Status: StatusDown, Reason: "late"}
	}
	return s.result(s.calls)
}

type sent struct {
	at time.Duration
	r  Result
}

// watchFor runs a watch in a bubble for a span of its time.
func watchFor(span time.Duration, c Checker, o WatchOptions) (out []sent, err error) {
	start := time.Now()
	ctx, cancel := context.WithTimeout(context.Background(), span)
	defer cancel()
	err = watch(ctx, c, o, func(r Result) error {
		out = append(out, sent{time.Since(start), r})
		return nil
	})
	return out, err
}

func up(int) Result { return Result{Status: StatusUp} }

func TestWatchThinsWhatSaysTheSame(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &scripted{result: up}
		out, _ := watchFor(100*time.Second, c, WatchOptions{Interval: time.Second, Timeout: time.Second})
		if c.calls < 99 || c.calls > 102 {
			t.Errorf("%d checks in 100 s at 1 s", c.calls)
		}
		if len(out) < 9 || len(out) > 11 || out[0].at != 0 {
			t.Errorf("%d results, the first after %v; want about 10, the first at once", len(out), out[0].at)
		}
	})
}

func TestWatchSendsChangesAndRepeats(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &scripted{result: func(n int) Result {
			if n <= 3 {
				return Result{Status: StatusUp}
			}
			return Result{Status: StatusDown, Reason: "refused"}
		}}
		out, _ := watchFor(9*time.Second, c, WatchOptions{Interval: time.Second, Timeout: time.Second, Repeat: 2})
		var got string
		for _, s := range out {
			got += string(s.r.Status) + " "
		}
		if got != "up up down down " {
			t.Errorf("got %s", got)
		}
	})
}

func TestChecksNeverOverlap(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &scripted{result: up, took: 2500 * time.Millisecond}
		_, _ = watchFor(30*time.Second, c, WatchOptions{Interval: time.Second, Timeout: 10 * time.Second})
		if c.calls < 9 || c.calls > 12 {
			t.Errorf("%d checks of 2.5 s at an interval of 1 s in 30 s, want one each 2.5 to 3 s", c.calls)
		}
	})
}

func TestDeadlineAndDeafCheck(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &scripted{result: up, took: time.Hour}
		out, _ := watchFor(5*time.Second, c, WatchOptions{Interval: time.Second, Timeout: 100 * time.Millisecond})
		if len(out) == 0 || out[0].r.Reason != "late" || out[0].at != 100*time.Millisecond {
			t.Errorf("a check with a timeout of 100 ms: %+v", out)
		}
		deaf := &scripted{result: up, took: 10 * time.Second, deaf: true}
		out, _ = watchFor(9*time.Second, deaf, WatchOptions{Interval: time.Second, Timeout: time.Second})
		if len(out) < 1 || out[0].r.Status != StatusUnknown || out[0].at != 2*time.Second {
			t.Errorf("a check that ignores its deadline: %+v", out)
		}
	})
}

func TestPanicIsUnknown(t *testing.T) {
	r := safeCheck(t.Context(), &scripted{result: func(int) Result { panic("oops") }}, nil)
	if r.Status != StatusUnknown || r.Reason != "the check panicked: oops" {
		t.Errorf("got %+v", r)
	}
}

// eventful reports up, and down after 3 s; then it waits or fails.
type eventful struct {
	scripted
	fail error
}

func (e *eventful) Watch(ctx context.Context, _ json.RawMessage, _ time.Duration, report func(Result)) error {
	report(Result{Status: StatusUp})
	<-time.After(3 * time.Second)
	report(Result{Status: StatusDown, Reason: "died"})
	if e.fail != nil {
		return e.fail
	}
	<-ctx.Done()
	return nil
}

func TestWatcherEventsAreSentAtOnceAndRepeated(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		out, _ := watchFor(25*time.Second, &eventful{}, WatchOptions{Interval: time.Second, Timeout: time.Second, Repeat: 2})
		want := []sent{
			{0, Result{Status: StatusUp}}, {time.Second, Result{Status: StatusUp}},
			{3 * time.Second, Result{Status: StatusDown, Reason: "died"}},
		}
		for i, w := range want {
			if i >= len(out) || out[i] != w {
				t.Fatalf("got %+v, want first %+v", out, want)
			}
		}
		if n := len(out); n != 6 { // and once more at 4 s, 14 s, 24 s
			t.Errorf("%d results: %+v", n, out)
		}
	})
}

func TestWatcherThatFailsEndsTheWatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fail := errors.New("lost the connection")
		if _, err := watchFor(time.Minute, &eventful{fail: fail}, WatchOptions{Interval: time.Second}); !errors.Is(err, fail) {
			t.Errorf("got %v", err)
		}
	})
}

func TestSettingsDuration(t *testing.T) {
	for in, want := range map[string]time.Duration{`"5s"`: 5 * time.Second, `10`: 10 * time.Second, `"10"`: 10 * time.Second, `0.5`: 500 * time.Millisecond, `"250ms"`: 250 * time.Millisecond} {
		var v struct{ D Duration }
		if err := DecodeSettings(json.RawMessage(`{"d":`+in+`}`), &v); err != nil || time.Duration(v.D) != want {
			t.Errorf("%s: %v, %v", in, time.Duration(v.D), err)
		}
	}
	for _, in := range []string{`{"d":"soon"}`, `{"d":-1}`, `{"x":1}`, `{} {}`, `{"d":`} {
		var v struct{ D Duration }
		if err := DecodeSettings(json.RawMessage(in), &v); err == nil {
			t.Errorf("%s: want an error", in)
		}
	}
}
