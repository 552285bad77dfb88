package main

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/orchestrator-ha/orchestrator/core"
	"github.com/orchestrator-ha/orchestrator/core/control"
)

// stateCodes are the exit codes of "state -lq", on which scripts branch.
var stateCodes = map[core.State]int{core.Stop: 0, core.Wait: 1, core.Up: 2, core.Alone: 2, core.Prim: 3, core.Second: 4}

// showState shows states: of all modules, of one with its resources, or as an exit
// code alone.
func showState(s *safekit, c call) error {
	if c.module() == "" || c.remote {
		return s.allStates(c)
	}
	m, n, err := s.own(c.module())
	if err != nil {
		return err
	}
	if c.has["-lq"] {
		if code := stateCodes[n.State]; code != exitOK {
			return silent(code)
		}
		return nil
	}
	fmt.Fprintf(s.stdout, "%s %s %s\n", clean(c.module()), n.State, n.Phase)
	if !c.has["-v"] {
		return nil
	}
	if n.Reason != "" {
		fmt.Fprintf(s.stdout, "  because: %s\n", clean(n.Reason))
	}
	for _, name := range ownResources(m, n) {
		value, _ := ownResource(m, n, name)
		fmt.Fprintf(s.stdout, "  %s %s\n", clean(name), clean(value))
	}
	for _, r := range n.Resources {
		fmt.Fprintf(s.stdout, "  %s %s", clean(r.Name), r.Value)
		if r.Reason != "" {
			fmt.Fprintf(s.stdout, " (%s)", clean(r.Reason))
		}
		fmt.Fprintln(s.stdout)
	}
	return nil
}

func (s *safekit) allStates(c call) error {
	st, err := s.status(c.module())
	if err != nil {
		return err
	}
	for _, m := range st.Modules {
		for _, n := range m.Nodes {
			state := n.State.String() + " " + string(n.Phase)
			if !n.Reachable {
				state = "UNKNOWN"
			}
			switch {
			case c.remote && (len(c.hosts) == 0 || slices.Contains(c.hosts, n.Node)):
				fmt.Fprintf(s.stdout, "%s %s %s\n", n.Node, clean(m.Name), state)
			case !c.remote && n.Node == st.Node:
				fmt.Fprintf(s.stdout, "%s %s\n", clean(m.Name), state)
			}
		}
	}
	return nil
}

// stateEvery is how often waitstate asks.
const stateEvery = 200 * time.Millisecond

// waitState waits until the module is in a state on this server.
func waitState(s *safekit, c call) error {
	var want core.State
	if err := want.UnmarshalText([]byte(c.arg(0))); err != nil {
		return err
	}
	tick := time.NewTicker(stateEvery)
	defer tick.Stop()
	for {
		m, n, err := s.own(c.module())
		if err != nil {
			return err
		}
		if pair := want == core.Alone || want == core.Prim || want == core.Second; pair != (m.Mode == core.Mirror) && want != core.Stop {
			return fmt.Errorf("%s is a %s module: it never becomes %s", c.module(), m.Mode, want)
		}
		if n.State == want && (n.Phase == core.Ready || want == core.Stop) {
			return nil
		}
		select {
		case <-s.ctx.Done():
			return s.ctx.Err()
		case <-tick.C:
		}
	}
}

// getResource prints the value of one resource.
func getResource(s *safekit, c call) error {
	m, n, err := s.own(c.module())
	if err != nil {
		return err
	}
	if value, ok := ownResource(m, n, c.val["-r"]); ok {
		_, err := fmt.Fprintln(s.stdout, value)
		return err
	}
	i := slices.IndexFunc(n.Resources, func(r core.Resource) bool { return r.Name == c.val["-r"] })
	if i < 0 {
		return fmt.Errorf("%s has no resource %q on this server; orchestrator status %s shows all", c.module(), c.val["-r"], c.module())
	}
	_, err = fmt.Fprintln(s.stdout, n.Resources[i].Value)
	return err
}

// showBoot tells whether the module starts when this server boots; without a name, of
// all modules.
func showBoot(s *safekit, c call) error {
	if c.module() == "" {
		st, err := s.status("")
		for _, m := range st.Modules {
			for _, n := range m.Nodes {
				if n.Node == cmp.Or(s.node, st.Node) {
					fmt.Fprintf(s.stdout, "%s %s\n", clean(m.Name), n.Boot)
				}
			}
		}
		return err
	}
	_, n, err := s.own(c.module())
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(s.stdout, n.Boot)
	return err
}

// showProcesses shows the processes that are watched.
func showProcesses(s *safekit, c call) error {
	_, n, err := s.own(c.module())
	if err != nil {
		return err
	}
	for _, r := range n.Resources {
		if strings.HasPrefix(r.Name, "proc.") {
			fmt.Fprintf(s.stdout, "%s %s\n", clean(r.Name), r.Value)
		}
	}
	return nil
}

// checkLoop shows the error counter; it fails when the limit is reached.
func checkLoop(s *safekit, c call) error {
	_, n, err := s.own(c.module())
	if err != nil {
		return err
	}
	fmt.Fprintln(s.stdout, loopText(n.Loop))
	if n.Loop.Interval > 0 && n.Loop.Count >= n.Loop.Max {
		return silent(exitOldFailed)
	}
	return nil
}

// showSignatures tells which configuration is in use, and which was applied last.
func showSignatures(s *safekit, c call) error {
	client, err := s.client()
	if err != nil {
		return err
	}
	st, err := s.status(c.module())
	if err != nil {
		return err
	}
	var list []control.ModuleInfo
	if err := client.Get(s.ctx, "/v1/modules", &list); err != nil {
		return err
	}
	for _, m := range st.Modules {
		for _, i := range list {
			if i.Name == m.Name {
				fmt.Fprintf(s.stdout, "%s applied %s %s by %s\n", clean(m.Name), i.Signature, i.Applied.UTC().Format(time.RFC3339), clean(i.By))
			}
		}
		for _, n := range m.Nodes {
			fmt.Fprintf(s.stdout, "%s in use on %s %s\n", clean(m.Name), n.Node, n.Signature)
		}
	}
	return nil
}
