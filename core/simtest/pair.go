package simtest

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/orchestrator-ha/orchestrator/core"
)

// PairScenario interprets the commands of a scenario file about a mirror on two
// nodes. The zero value is ready.
type PairScenario struct {
	World *World
	out   strings.Builder
	Quiet bool // writes no story
}

// pairCommands is the language of these files. NODE is node1, node2 or both; a
// name in capitals is a word of the command's line.
var pairCommands = map[string]func(s *PairScenario, words []string, text string) error{
	"pair":     (*PairScenario).pair,     // pair NAME: two stopped nodes, configured by the lines below
	"command":  (*PairScenario).command,  // command NODE VERB [as IDENTITY]
	"advance":  (*PairScenario).advance,  // advance 10s: let time pass, with hooks that run and messages that arrive
	"cut":      (*PairScenario).cut,      // cut [NODE]: nothing arrives any more, or nothing that NODE sends
	"heal":     (*PairScenario).heal,     // heal
	"latency":  (*PairScenario).span,     // latency 300ms: how long a message takes from now on
	"hooktime": (*PairScenario).span,     // hooktime 1s: how long a hook runs from now on
	"crash":    (*PairScenario).crash,    // crash NODE: its power fails
	"wipe":     (*PairScenario).wipe,     // wipe NODE: its power fails, and all that it stored is lost
	"boot":     (*PairScenario).boot,     // boot NODE: its daemon runs again, the module is stopped
	"fails":    (*PairScenario).fails,    // fails NODE HOOK N: the next N calls of HOOK fail
	"resource": (*PairScenario).resource, // resource NODE NAME up|down|unknown|init
	"lapse":    (*PairScenario).lapse,    // lapse NODE: the lease of its address runs out
	"degrade":  (*PairScenario).degrade,  // degrade NODE, or repair NODE: replication fails there, or works again
	"repair":   (*PairScenario).degrade,  //
	"config":   (*PairScenario).config,   // config NODE: a new configuration, the one it has with the lines below; drop NAME takes a check out
	"write":    (*PairScenario).write,    // each primary writes once
	"rescue":   (*PairScenario).rescue,   // all is healed; an operator stops both, says which has the good data, starts the other
	"mend":     (*PairScenario).mend,     // all is healed, and both nodes are told to start
	"status":   (*PairScenario).status,   //
}

// Do carries out one command and answers the story of what the nodes did.
func (s *PairScenario) Do(cmd string, words []string, text string) (string, error) {
	run, ok := pairCommands[cmd]
	if !ok {
		return "", fmt.Errorf("unknown scenario command %q", cmd)
	}
	if s.World == nil && cmd != "pair" {
		return "", fmt.Errorf("command %q before any pair", cmd)
	}
	s.out.Reset()
	if cmd == "latency" || cmd == "hooktime" {
		words = append(words, cmd)
	}
	if s.World != nil && slices.Contains([]string{"cut", "heal", "crash", "wipe", "boot", "latency", "rescue", "mend"}, cmd) {
		s.World.calm = s.World.now
	}
	if err := run(s, words, strings.TrimSpace(text)); err != nil {
		return "", err
	}
	if !s.Quiet {
		if err := s.World.Broken(time.Hour); err != nil {
			fmt.Fprintf(&s.out, "broken: %s\n", err)
		}
	}
	return s.out.String(), nil
}

func (s *PairScenario) pair(words []string, text string) error {
	m := core.Module{
		Name: words[0], Mode: core.Mirror, MaxLoop: 3, LoopInterval: 24 * time.Hour, Shared: true,
		StartTimeout: time.Minute, NiceTimeout: 5 * time.Minute, ForceTimeout: 30 * time.Second,
		Hooks: map[string]bool{}, Mirror: core.MirrorConfig{Patience: 2 * time.Second},
	}
	for line := range strings.Lines(text) {
		if err := setPair(&m, strings.Fields(line)); err != nil {
			return err
		}
	}
	s.World = NewWorld(m)
	if !s.Quiet {
		s.World.Trace = func(line string) { s.out.WriteString(line + "\n") }
	}
	return nil
}

// hookSets are short names for lists of hooks.
var hookSets = map[string]string{
	"all":  "transition prestart start_both stop_both start_prim stop_prim start_second stop_second start_sec stop_sec poststop",
	"prim": "start_prim stop_prim",
}

func setPair(m *core.Module, f []string) (err error) {
	c := &m.Mirror
	switch f[0] {
	case "hooks":
		for _, h := range f[1:] {
			for _, name := range strings.Fields(hookSets[h]) {
				m.Hooks[name] = true
			}
			m.Hooks[h] = hookSets[h] == ""
		}
	case "replicated":
		c.Replicated = true
	case "failover":
		c.FailoverOff = f[1] == "off"
	case "defaultprim":
		c.LastPrim = f[1] == "lastprim"
		if i := number(f[1]); i >= 0 {
			c.DefaultPrim = core.NodeID(i + 1)
		}
	case "witness":
		c.Witnesses = append(c.Witnesses, f[1])
		m.Checks = append(m.Checks, core.Check{Resource: f[1], When: core.WhenPre, Action: core.VerbNone})
	case "syncdelta":
		c.SyncDelta, err = time.ParseDuration(f[1])
	case "planned": // planned RESOURCE: one that is down keeps the secondary back, as syncat does
		m.Checks = append(m.Checks, core.Check{Resource: f[1], When: core.WhenPre, Action: core.VerbWait, Planned: true})
	case "patience":
		c.Patience, err = time.ParseDuration(f[1])
	default:
		err = set(m, f)
	}
	return err
}

// number answers 0 or 1, or -1 for what is no node.
func number(node string) int { return slices.Index([]string{"node1", "node2"}, node) }

func (s *PairScenario) node(words []string) (*Host, error) {
	if len(words) > 0 {
		if i := number(words[0]); i >= 0 {
			return s.World.Nodes[i], nil
		}
	}
	return nil, fmt.Errorf("name a node: node1 or node2, not %q", words)
}

// on is a command about one node.
func (s *PairScenario) on(words []string, n int, do func(h *Host)) error {
	if len(words) < n {
		return fmt.Errorf("%q lacks a word", words)
	}
	if words[0] == "both" {
		do(s.World.Nodes[0])
		do(s.World.Nodes[1])
		return nil
	}
	h, err := s.node(words)
	if err == nil {
		do(h)
	}
	return err
}

func (s *PairScenario) command(words []string, _ string) error {
	return s.on(words, 2, func(h *Host) {
		if len(words) == 4 {
			s.World.Post(h, core.Event{Kind: core.EventCommand, Verb: core.Verb(words[1]), Identity: words[3]})
			return
		}
		s.World.command(h, core.Verb(words[1]))
	})
}

func (s *PairScenario) advance(words []string, _ string) error {
	d, err := time.ParseDuration(words[0])
	if err == nil {
		s.World.Advance(d)
	}
	return err
}

func (s *PairScenario) cut(words []string, _ string) error {
	if len(words) == 0 {
		s.World.severed = [2]bool{true, true}
		return nil
	}
	return s.on(words, 1, func(h *Host) { s.World.severed[h.number] = true })
}

func (s *PairScenario) heal([]string, string) error {
	s.World.severed = [2]bool{}
	return nil
}

func (s *PairScenario) span(words []string, _ string) error {
	d, err := time.ParseDuration(words[0])
	if words[1] == "latency" {
		s.World.Latency = d
	} else {
		s.World.Hook = d
	}
	return err
}

func (s *PairScenario) crash(words []string, _ string) error {
	return s.on(words, 1, func(h *Host) { s.World.crash(h) })
}

func (s *PairScenario) wipe(words []string, _ string) error {
	return s.on(words, 1, func(h *Host) {
		s.World.crash(h)
		h.wipes++
		h.In.Held = ""
		h.data, h.Kept = 0, core.Kept{Life: 1000 - 100*h.wipes} // a clock that was set back, at worst
	})
}

func (s *PairScenario) boot(words []string, _ string) error {
	return s.on(words, 1, func(h *Host) {
		if !h.Up {
			s.World.boot(h)
		}
	})
}

func (s *PairScenario) fails(words []string, _ string) error {
	n := 0
	if _, err := fmt.Sscan(words[2], &n); err != nil {
		return err
	}
	return s.on(words, 3, func(h *Host) { h.Fails[words[1]] = n })
}

func (s *PairScenario) resource(words []string, text string) error {
	return s.on(words, 3, func(h *Host) {
		s.World.Post(h, core.Event{Kind: core.EventResource, Resource: core.Resource{Name: words[1], Value: core.Value(words[2]), Reason: text, Since: s.World.now}})
	})
}

func (s *PairScenario) lapse(words []string, _ string) error {
	return s.on(words, 1, func(h *Host) { s.World.Post(h, core.Event{Kind: core.EventLease}) })
}

func (s *PairScenario) degrade(words []string, text string) error {
	return s.on(words, 1, func(h *Host) {
		news := core.ReplicaDegraded
		if h.In.Degraded() {
			news = core.ReplicaRepaired
		}
		s.World.Post(h, core.Event{Kind: core.EventReplica, Name: string(news), Reason: text})
	})
}

func (s *PairScenario) write([]string, string) error {
	s.World.Write()
	return nil
}

func (s *PairScenario) status([]string, string) error {
	for _, h := range s.World.Nodes {
		in := h.In
		if !h.Up {
			fmt.Fprintf(&s.out, "%s is off\n", h.name())
			continue
		}
		fmt.Fprintf(&s.out, "%s %s", h.name(), in.Status())
		if in.Network {
			s.out.WriteString(", holds the address")
		}
		if in.Module.Mirror.Replicated {
			fmt.Fprintf(&s.out, ", %s, write %d", cmp.Or(string(in.Pair.Self.Data.Standing), "no history"), h.data)
		}
		if n := len(in.Failures); n > 0 {
			fmt.Fprintf(&s.out, ", %d counted", n)
		}
		if in.Degraded() {
			s.out.WriteString(", degraded")
		}
		s.out.WriteString("\n")
		if in.BlockedBy != "" {
			fmt.Fprintf(&s.out, "  waits: %s\n", in.BlockedBy)
		}
	}
	return nil
}
