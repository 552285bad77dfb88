package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/orchestrator-ha/orchestrator/core"
	"github.com/orchestrator-ha/orchestrator/core/lab"
)

const manyChecks = 1000

// checks measures what 1,000 TCP checks a second cost: in a module of a whole
// node, against a listener in another process.
func checks(ctx context.Context, b *bench) (err error) {
	dir, err := b.moduleFolder("checks_farm", checkModule())
	if err != nil {
		return err
	}
	r, err := b.build(ctx, 1, false)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, r.close()) }()
	listening, stop := context.WithCancel(ctx)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_, _ = r.on(listening, "n1", "orchestrator", "web", "--listen", "127.0.0.1:8000", "--node-name", "n1") // killed at the end
	}()
	defer func() { stop(); <-ended }()
	if _, err := r.on(ctx, "n1", "orchestrator", "module", "install", dir); err != nil {
		return err
	}
	before, _, err := r.cpuOver(ctx, "n1")
	if err != nil {
		return err
	}
	if _, err := r.on(ctx, "n1", "orchestrator", "start", "checks_farm"); err != nil {
		return err
	}
	err = r.await(ctx, patience, "all checks are up", func() bool {
		up := 0
		for _, res := range r.states(ctx, "n1", "checks_farm")["n1"].Resources {
			if strings.HasPrefix(res.Name, "tcp.") && res.Value == core.ResUp {
				up++
			}
		}
		return up == manyChecks
	})
	if err != nil {
		return err
	}
	return b.measureChecks(ctx, r, before)
}

func (b *bench) measureChecks(ctx context.Context, r *rig, before float64) error {
	f := Figure{ID: "checks", Name: "CPU of 1,000 TCP checks at 1 s, daemon and plugins", Unit: "% of a core", Target: always(10)}
	for range min(3, b.runs) {
		cpu, parts, err := r.cpuOver(ctx, "n1")
		if err != nil {
			return err
		}
		f.Values = append(f.Values, cpu-before)
		f.Note = fmt.Sprintf("Less the %s %% that the node needs without them. In the last run: %s.", short(before), parts)
	}
	b.add(f)
	return nil
}

// cpuOver is the CPU of a node's daemon and plugins over the span, in per cent
// of a core, and by process.
func (r *rig) cpuOver(ctx context.Context, node string) (float64, string, error) {
	if err := rest(ctx, span/4); err != nil {
		return 0, "", err
	}
	st, err := r.remote.Status(ctx)
	if err != nil {
		return 0, "", err
	}
	var shown lab.NodeStatus
	for _, n := range st.Nodes {
		if n.Name == node {
			shown = n
		}
	}
	begun, err := familyUsage(shown)
	if err == nil {
		err = rest(ctx, span)
	}
	if err != nil {
		return 0, "", err
	}
	now, err := familyUsage(shown)
	if err != nil {
		return 0, "", err
	}
	sum, parts := 0.0, []string{}
	for i := range min(len(now), len(begun)) {
		one := 100 * (now[i].CPU - begun[i].CPU) / span.Seconds()
		sum += one
		parts = append(parts, now[i].name()+" "+short(one)+" %")
	}
	return sum, strings.Join(parts, ", "), nil
}

// checkModule are the files of a module with many checks.
func checkModule() map[string]string {
	var b strings.Builder
	b.WriteString("<?xml version=\"1.0\" encoding=\"utf-8\"?>\n<!DOCTYPE safe>\n<safe>\n <service mode=\"farm\">\n  <farm><lan name=\"default\"/></farm>\n  <user/>\n  <check>\n")
	for i := range manyChecks {
		fmt.Fprintf(&b, "   <tcp ident=\"c%d\" when=\"both\" action=\"restart\"><to addr=\"127.0.0.1\" port=\"8000\" interval=\"1s\" timeout=\"1s\"/></tcp>\n", i)
	}
	b.WriteString("  </check>\n </service>\n</safe>\n")
	return map[string]string{"conf/userconfig.xml": b.String(), "bin/start_both.lua": "", "bin/stop_both.lua": ""}
}
