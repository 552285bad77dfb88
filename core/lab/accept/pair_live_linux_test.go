package accept_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/orchestrator-ha/orchestrator/core/lab"
)

// A mirror at work gets another address, other checks, rules, hooks, variables and
// patience, and what it had before again: no request fails, nobody changes his role, the
// application goes on. What needs a stop says so before. At the end its primary restarts its
// machine, as automatic_reboot says, by a program that only says that it was called.
func TestMirrorLiveChange(t *testing.T) {
	reboot := filepath.Join(t.TempDir(), "reboot")
	if err := os.WriteFile(reboot, []byte("#!/bin/sh\necho \"$ORCHESTRATOR_HOME\" >>\"$0.done\"\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	f := mirrorModule().with(t, userconfig, `starttimeout="30s"/>`, `starttimeout="30s"><var name="COLOUR" value="red"/></user>`)
	f["bin/update"] = liveUpdate
	s := pairFrom(t, "accpairlive", f, func(o *lab.Options) { o.Args = append(o.Args, "--reboot", reboot) })
	prim, second := s.paired(t)
	c := s.pairClients(t)
	app := s.processesOf(t, prim, " web ")
	for _, step := range []struct {
		name   string
		change func(t *testing.T)
		shows  func() string // "" when it is in force
	}{
		{"address", func(t *testing.T) {
			one := `<virtual_addr addr="` + vip + `" where="one_side_alias"/>`
			s.reconfigure(t, one, one+strings.Replace(one, vip, vip2, 1))
		}, s.serves(t, vip2, 80)},
		{"check, hook, variable, rules, patience", func(t *testing.T) {
			s.edit(t, "bin/update", liveUpdate, liveUpdate+"echo and the script is new\n")
			s.edit(t, userconfig, `value="red"`, `value="blue"`)
			s.edit(t, userconfig, `interval="500ms" timeout="1s"/>`, `interval="300ms"/></tcp><tcp ident="more" when="both"><to addr="127.0.0.1" port="9010"/>`)
			s.edit(t, userconfig, `timeout="%TIMEOUT%"`, `timeout="2s"`)
			s.reconfigure(t, `beside: if (remote.custom.app == down`, `next: if (remote.custom.other == down`)
		}, func() string { return s.renewed(t, prim) }},
		{"set back", func(t *testing.T) { s.do(t, "n2", "config", "rollback", s.module, "2") }, func() string {
			if n := s.burst(t, vip2, 80).New; n.OK > 0 {
				return describe(n)
			}
			return ""
		}},
	} {
		t.Run(step.name, func(t *testing.T) {
			c.during(t, step.name, 0, prim, func() {
				step.change(t)
				eventually(t, step.name+" is in force", step.shows)
			})
			if now := s.processesOf(t, prim, " web "); !slices.Equal(now, app) {
				t.Errorf("the application was %v and is %v", app, now)
			}
			s.roles(t, prim, prim, "PRIM", second, "SECOND")
		})
	}
	t.Run("what needs a stop", func(t *testing.T) {
		c.during(t, "what needs a stop", takeover, second, func() { s.pairNeedsStop(t) })
		s.roles(t, prim, prim, "SECOND", second, "PRIM")
	})
	t.Run("automatic reboot", func(t *testing.T) {
		prim, second = second, prim
		s.edit(t, userconfig, `action="restart"`, `action="stopstart"`)
		s.reconfigure(t, `maxloop="50"`, `maxloop="50" automatic_reboot="on"`)
		s.roles(t, prim, prim, "PRIM", second, "SECOND")
		c.during(t, "automatic reboot", takeover, second, func() { s.reboots(t, prim, second, reboot+".done") })
	})
	c.stop(t)
}

// renewed says what is not in force yet of a change of checks, rules, hooks and variables.
func (s *stage) renewed(t *testing.T, prim string) string {
	t.Helper()
	resources := s.status(t, prim, s.module)[prim].Resources
	value := func(name string) string {
		for _, r := range resources {
			if r.Name == name {
				return r.Value
			}
		}
		return "not there"
	}
	for name, want := range map[string]string{"tcp.web": "up", "tcp.more": "up", "rule.next": "up", "rule.beside": "not there"} {
		if got := value(name); got != want {
			return fmt.Sprintf("%s is %s: %+v", name, got, resources)
		}
	}
	for _, node := range both {
		if why := lacks(s.do(t, node, "log", s.module, "--type", "output", "--grep", "update"), "the colour is blue", "and the script is new"); why != "" {
			return "the hook update on " + node + " " + why
		}
	}
	return ""
}

// pairNeedsStop: it is told before and refused, then done where it is allowed, on the
// secondary first, so that the address moves once.
func (s *stage) pairNeedsStop(t *testing.T) {
	t.Helper()
	if err := os.WriteFile(s.edited("bin/start_second.lua"), []byte("log.info(\"a secondary\")\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if why := lacks(s.do(t, "n1", "config", "apply", s.module, "--dry-run"), "hook start_second", "one after the other"); why != "" {
		t.Errorf("the dry run %s", why)
	}
	if r := s.try(t, "n1", "config", "apply", s.module); r.code == 0 || !strings.Contains(r.text(), "--stopstart") {
		t.Errorf("applied: %d %s", r.code, r.text())
	}
	s.do(t, "n1", "config", "apply", s.module, "--stopstart")
}

// reboots: the application of the primary dies, which is to restart its machine. The other
// node takes over, and the machine comes back as a secondary.
func (s *stage) reboots(t *testing.T, prim, second, done string) {
	t.Helper()
	pids := s.processesOf(t, prim, " web ")
	if len(pids) != 1 {
		t.Fatalf("the application runs as %v", pids)
	}
	s.must(t, prim, "kill", "-9", fmt.Sprint(pids[0]))
	s.roles(t, second, second, "ALONE", prim, "STOP")
	eventually(t, "the machine is restarted", func() string {
		said, err := os.ReadFile(done)
		if err != nil || strings.Count(string(said), "\n") != 1 || !strings.Contains(string(said), "/"+prim+"/") {
			return fmt.Sprintf("%q, %v", said, err)
		}
		return ""
	})
	s.fault(t, lab.Stop, false, prim)
	s.gone(t, prim)
	s.fault(t, lab.Heal, false, prim)
	s.roles(t, second, prim, "SECOND", second, "PRIM")
	if why := lacks(s.do(t, prim, "why", s.module), "the start of the daemon"); why != "" {
		t.Errorf("why on %s %s", prim, why)
	}
}
