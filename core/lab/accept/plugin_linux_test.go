package accept_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

type plugin struct {
	Kind, Name, State string
	PID, Restarts     int
}

// plugin is a node's plugin as `plugin list` tells it.
func (s *stage) plugin(t *testing.T, node, kind, name string) plugin {
	t.Helper()
	list := ask[[]plugin](t, s, node, "plugin", "list")
	i := slices.IndexFunc(list, func(p plugin) bool { return p.Kind == kind && p.Name == name })
	if i < 0 {
		t.Fatalf("no plugin %s/%s on %s: %+v", kind, name, node, list)
	}
	return list[i]
}

// A plugin's process dies: it is started again, the application is not.
func TestPluginKilled(t *testing.T) {
	s := webFarm(t, "accplugin")
	c := s.client(t, rate, 100)
	for _, p := range [][2]string{{"checker", "tcp"}, {"filter", "ebpf"}, {"application", "process"}} {
		t.Run(p[0], func(t *testing.T) { s.killPlugin(t, c, "n2", p[0], p[1]) })
	}
	c.stop(t)
}

func (s *stage) killPlugin(t *testing.T, c *traffic, node, kind, name string) {
	t.Helper()
	before, _ := c.now()
	web, entries := s.processesOf(t, node, " web "), s.journal(t, node)
	p := s.plugin(t, node, kind, name)
	if p.PID == 0 || len(web) == 0 {
		t.Fatalf("%+v, web server %v", p, web)
	}
	if err := syscall.Kill(p.PID, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the plugin runs again", func() string {
		for _, r := range s.status(t, node, s.module)[node].Resources {
			if r.Value == "down" {
				t.Errorf("%s is down while the plugin is away: %s", r.Name, r.Reason)
			}
		}
		if now := s.plugin(t, node, kind, name); now.State != "running" || now.PID == p.PID || now.Restarts == p.Restarts {
			return fmt.Sprintf("%+v", now)
		}
		return ""
	})
	eventually(t, "the checks work again", func() string {
		n := s.status(t, node, s.module)[node]
		if slices.ContainsFunc(n.Resources, func(r struct{ Name, Value, Reason string }) bool { return r.Name == "tcp.web" && r.Value == "up" }) {
			return ""
		}
		return fmt.Sprintf("%+v", n)
	})
	c.watch(t, time.Second)
	_, now := c.watch(t, 2*time.Second)
	if kind == "filter" { // it renews the lease, which may run out until it is back
		sum, _ := now.OutageMS(0, now.ElapsedMS)
		t.Logf("outage %.0f ms", sum)
		if n, sample := broken(before, now); sum >= 2000 || n > 0 {
			c.fault(t, before, "an outage of %.0f ms, %d connections broke, e.g. %s", sum, n, sample)
		}
	} else {
		c.flawless(t, "the end of "+kind+"/"+name, before, now)
	}
	s.whole(t, everybody...)
	if still := s.processesOf(t, node, " web "); !slices.Equal(web, still) {
		t.Errorf("the web server was %v and is %v", web, still)
	}
	fresh := s.journal(t, node)[len(entries):]
	for _, e := range fresh {
		if e.Kind == "transition" || e.Kind == "hook" || strings.Contains(e.Text, " is down") {
			t.Errorf("in the journal: %s: %s", e.Kind, e.Text)
		}
	}
	if kind == "checker" && !slices.ContainsFunc(fresh, func(e entry) bool { return strings.Contains(e.Text, "tcp.web is unknown") }) {
		t.Errorf("the check's result was not unknown meanwhile: %+v", fresh)
	}
}

type entry struct {
	Kind, Level, Text string
}

// journal is what a node has noted of the stage's module.
func (s *stage) journal(t *testing.T, node string) []entry {
	t.Helper()
	var list []entry
	for line := range strings.Lines(s.do(t, node, "log", s.module, "--json", "-n", "10000")) {
		var e entry
		if err := json.Unmarshal([]byte(line), &e); err != nil {
			t.Fatalf("%v in %s", err, line)
		}
		list = append(list, e)
	}
	return list
}
