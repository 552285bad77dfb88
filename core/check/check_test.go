package check

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/orchestrator-ha/orchestrator/core"
)

func TestCounter(t *testing.T) {
	for _, c := range []struct {
		rise, fall int
		in, want   string // u up, d down, ? unknown; i init
	}{
		{1, 1, "ududd??u", "ududd??u"},
		{1, 2, "uddud?dd", "uuduu??d"},
		{2, 1, "uuduuu", "iudduu"},
		{3, 3, "dduudddu", "iiiiiidd"},
		{2, 2, "uu?u", "iu?u"},
		{2, 2, "dd?u?dd", "id????d"},
		{2, 2, "dd?uu", "id??u"},
		{1, 2, "uu?du", "uu??u"},
	} {
		k := counter{rise: c.rise, fall: c.fall, value: core.ResInit, settled: core.ResInit}
		var got strings.Builder
		for _, r := range c.in {
			v := k.next(map[rune]core.Value{'u': core.ResUp, 'd': core.ResDown, '?': core.ResUnknown}[r])
			got.WriteString(map[core.Value]string{core.ResInit: "i", core.ResUp: "u", core.ResDown: "d", core.ResUnknown: "?"}[v])
		}
		if got.String() != c.want {
			t.Errorf("rise %d fall %d: %s gives %s, want %s", c.rise, c.fall, c.in, got.String(), c.want)
		}
	}
}

// What a check watches may take its time to appear: until then it is not asked.
func TestGrace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var l log
		app := make(chan found, 1)
		app <- found{core.ResDown, "not there yet"}
		r := New(fakePlugins{"1": app}, l.publish)
		set := func(grace time.Duration) {
			if err := r.Set("m", []Spec{{Resource: "proc.app", Plugin: "process", Settings: json.RawMessage("1"), Grace: grace}}); err != nil {
				t.Error(err)
			}
		}
		set(20 * time.Second)
		<-time.After(19 * time.Second)
		l.take(t, "m proc.app=init no result yet")
		<-time.After(time.Second)
		l.take(t, "m proc.app=down not there yet")
		set(time.Hour)
		l.take(t, "m proc.app=init no result yet")
		r.Close() // does not wait for it
	})
}

// fakePlugins lets the test report for each watch, by settings.
type fakePlugins map[string]chan found

type found struct {
	value  core.Value
	reason string
}

func (f fakePlugins) Follow(ctx context.Context, name string, settings json.RawMessage, _, _ time.Duration, _ int, report func(core.Value, string)) error {
	ch := f[string(settings)]
	if ch == nil {
		return errors.New("no checker plugin is called " + name)
	}
	for {
		select {
		case <-ctx.Done():
			return nil
		case r := <-ch:
			report(r.value, r.reason)
		}
	}
}

type log []string

func (l *log) publish(module string, r core.Resource) {
	*l = append(*l, fmt.Sprintf("%s %s=%s %s", module, r.Name, r.Value, r.Reason))
}

func (l *log) take(t *testing.T, want ...string) {
	t.Helper()
	synctest.Wait()
	if fmt.Sprint(*l) != fmt.Sprint(log(want)) {
		t.Errorf("published %q, want %q", *l, want)
	}
	*l = nil
}

func TestRunner(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var l log
		web, db := make(chan found), make(chan found)
		r := New(fakePlugins{"1": web, "2": db}, l.publish)
		a := Spec{Resource: "tcp.web", Plugin: "tcp", Settings: json.RawMessage("1"), Fall: 2}
		b := Spec{Resource: "tcp.db", Plugin: "tcp", Settings: json.RawMessage("2")}
		c := Spec{Resource: "x.y", Plugin: "nope"}
		set := func(specs ...Spec) {
			t.Helper()
			if err := r.Set("m", specs); err != nil {
				t.Error(err)
			}
		}
		set(a)
		l.take(t, "m tcp.web=init no result yet")
		web <- found{core.ResUp, ""}
		l.take(t, "m tcp.web=up ")
		web <- found{core.ResDown, "refused"}
		l.take(t)
		if !r.Say("m", "tcp.web", core.ResUnknown, "said so") || r.Say("m", "tcp.db", core.ResUp, "") || r.Say("n", "tcp.web", core.ResUp, "") {
			t.Error("what is said of a check counts exactly if it runs")
		}
		l.take(t, "m tcp.web=unknown said so")
		web <- found{core.ResUp, ""}
		l.take(t, "m tcp.web=up ")
		web <- found{core.ResDown, "refused"}
		l.take(t)
		set(a, b, c)
		l.take(t, "m tcp.db=init no result yet", "m x.y=init no result yet", "m x.y=unknown no checker plugin is called nope")
		<-time.After(time.Minute)
		web <- found{core.ResDown, "refused"}
		l.take(t, "m tcp.web=down refused")
		web <- found{core.ResDown, "no answer"}
		l.take(t)
		if res := r.Resources("m")[1]; res.Reason != "no answer" || res.Since != time.Now() {
			t.Errorf("resource %+v: want the latest reason, and since when it is down", res)
		}
		set(b)
		select {
		case web <- found{core.ResUp, ""}:
			t.Error("the check was stopped and goes on")
		case <-time.After(time.Second):
		}
		b.Interval = time.Second
		set(b)
		l.take(t, "m tcp.db=init no result yet")
		db <- found{core.ResUp, ""}
		l.take(t, "m tcp.db=up ")
		r.Again("m", []string{"tcp.db", "tcp.web"})
		l.take(t, "m tcp.db=init no result yet")
		db <- found{core.ResDown, "refused"}
		l.take(t, "m tcp.db=down refused")
		if err := r.Set("m", []Spec{a, a}); err == nil || !strings.Contains(err.Error(), "two checks are called tcp.web") {
			t.Errorf("a resource twice: %v", err)
		}
		r.Close()
		if err := r.Set("m", nil); err == nil {
			t.Error("set after close: want an error")
		}
	})
}
