package simtest

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/orchestrator-ha/orchestrator/core"
)

// Scenario interprets the commands of a scenario file. The zero value is ready.
type Scenario struct{ node *Node }

// commands is the language of scenario files.
var commands = map[string]func(s *Scenario, words []string, text string) (string, error){
	"module":   (*Scenario).module,   // a stopped module, configured by the lines below
	"command":  (*Scenario).command,  // command VERB [as IDENTITY]; the line below is the reason
	"ok":       (*Scenario).ok,       // answer the outstanding action, or [all] that follow
	"fail":     (*Scenario).fail,     // answer that it failed; the line below says why
	"late":     (*Scenario).late,     // late share ORDER: an answer that nobody waits for
	"resource": (*Scenario).resource, // resource NAME up|down|unknown; the line below says what was seen
	"advance":  (*Scenario).advance,  // advance 10s: let time pass
	"config":   (*Scenario).config,   // a new configuration, as for module
	"status":   (*Scenario).showStatus,
}

// Do carries out one command with its words and the text below it, and answers
// what the module did.
func (s *Scenario) Do(cmd string, words []string, text string) (string, error) {
	run, ok := commands[cmd]
	if !ok {
		return "", fmt.Errorf("unknown scenario command %q", cmd)
	}
	if s.node == nil && cmd != "module" {
		return "", fmt.Errorf("command %q before any module", cmd)
	}
	return run(s, words, strings.TrimSpace(text))
}

func (s *Scenario) module(words []string, text string) (string, error) {
	m, err := readModule(words, text)
	if err != nil {
		return "", err
	}
	s.node = NewNode(m)
	return s.node.In.Status() + "\n", nil
}

func (s *Scenario) config(words []string, text string) (string, error) {
	m, err := readModule(words, text)
	if err != nil {
		return "", err
	}
	return s.node.Post(core.Event{Kind: core.EventModule, Module: &m}), nil
}

func readModule(words []string, text string) (core.Module, error) {
	m := core.Module{
		Name: words[0], Mode: core.Mode(words[1]), MaxLoop: 3, LoopInterval: 24 * time.Hour,
		StartTimeout: time.Minute, NiceTimeout: 5 * time.Minute, ForceTimeout: 30 * time.Second, LeaveTimeout: 10 * time.Second,
		Hooks: map[string]bool{}, Shared: core.Mode(words[1]) == core.Farm,
	}
	for line := range strings.Lines(text) {
		if err := set(&m, strings.Fields(line)); err != nil {
			return m, err
		}
	}
	return m, nil
}

func set(m *core.Module, f []string) (err error) {
	switch f[0] {
	case "hooks":
		for _, h := range f[1:] {
			m.Hooks[h] = true
		}
	case "check":
		m.Checks = append(m.Checks, core.Check{Resource: f[1], When: core.When(f[2]), Action: core.Verb(f[3]), Outside: len(f) > 4 && f[4] == "outside"})
	case "maxloop":
		_, err = fmt.Sscan(f[1], &m.MaxLoop)
	case "loop_interval":
		m.LoopInterval, err = time.ParseDuration(f[1])
	case "closed":
		m.Closed = true
	case "reboot":
		m.Reboot = true
	case "leave_timeout":
		m.LeaveTimeout, err = time.ParseDuration(f[1])
	default:
		err = fmt.Errorf("unknown module line %q", f)
	}
	return err
}

func (s *Scenario) command(words []string, text string) (string, error) {
	ev := core.Event{Kind: core.EventCommand, Verb: core.Verb(words[0]), By: "root", Reason: text}
	if len(words) == 3 && words[1] == "as" {
		ev.Identity, ev.By = words[2], ""
	}
	return s.node.Post(ev), nil
}

func (s *Scenario) ok(words []string, _ string) (string, error) {
	if !slices.Contains(words, "all") {
		out, had := s.node.Answer(true, "")
		if !had {
			return "", fmt.Errorf("nothing is to be answered")
		}
		return out, nil
	}
	var b strings.Builder
	for {
		out, had := s.node.Answer(true, "")
		if !had {
			return b.String(), nil
		}
		b.WriteString(out)
	}
}

func (s *Scenario) fail(_ []string, text string) (string, error) {
	out, had := s.node.Answer(false, text)
	if !had {
		return "", fmt.Errorf("nothing is to be answered")
	}
	return out, nil
}

func (s *Scenario) late(words []string, _ string) (string, error) {
	kind := core.EventKind(words[0])
	return s.node.Post(core.Event{Kind: kind, Name: words[1], OK: true}), nil
}

func (s *Scenario) resource(words []string, text string) (string, error) {
	r := core.Resource{Name: words[0], Value: core.Value(words[1]), Reason: text, Since: s.node.now}
	return s.node.Post(core.Event{Kind: core.EventResource, Resource: r}), nil
}

func (s *Scenario) advance(words []string, _ string) (string, error) {
	d, err := time.ParseDuration(words[0])
	if err != nil {
		return "", err
	}
	return s.node.Advance(d), nil
}

func (s *Scenario) showStatus([]string, string) (string, error) {
	in := s.node.In
	var b strings.Builder
	fmt.Fprintf(&b, "%s, target %s, wanted %s", in.Status(), in.Target, in.Wanted)
	if in.Drained {
		b.WriteString(", drained")
	}
	fmt.Fprintf(&b, "\n  share: %q network: %t application: %t checks: %v counted: %d\n", in.Share, in.Network, in.Started, in.Checking, len(in.Failures))
	if in.LastReason != "" {
		fmt.Fprintf(&b, "  reason: %s\n", in.LastReason)
	}
	return b.String(), nil
}
