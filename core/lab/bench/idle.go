package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/orchestrator-ha/orchestrator/core/lab"
)

const span = 20 * time.Second

// idle measures what a daemon and its plugins need when nothing happens.
func idle(ctx context.Context, b *bench) (err error) {
	r, err := b.build(ctx, 3, false)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, r.close()) }()
	if err := r.install(ctx, "web_farm.safe"); err != nil {
		return err
	}
	// What is of the start is not of the rest.
	if err := rest(ctx, 15*time.Second); err != nil {
		return err
	}
	return r.measureRest(ctx)
}

func (r *rig) measureRest(ctx context.Context) error {
	shown, err := r.remote.Status(ctx)
	if err != nil {
		return err
	}
	begun := map[string]float64{}
	start := time.Now()
	for _, n := range shown.Nodes {
		all, err := familyUsage(n)
		if err != nil {
			return err
		}
		begun[n.Name] = all.cpu()
	}
	if err := rest(ctx, span); err != nil {
		return err
	}
	passed := time.Since(start).Seconds()
	var cpu, memory, daemon []float64
	parts, used := "", ""
	for _, n := range shown.Nodes {
		all, err := familyUsage(n)
		if err != nil {
			return err
		}
		cpu = append(cpu, 100*(all.cpu()-begun[n.Name])/passed)
		memory = append(memory, all.memory())
		daemon = append(daemon, all[0].RSS)
		parts, used = all.text(), all.shares()
	}
	r.b.add(Figure{ID: "idle.memory", Name: "memory at rest, daemon and plugins of a node, 3 nodes", Unit: "MiB", Target: always(64), Values: memory,
		Note: "What the processes have for themselves, and once the pages of the program that they share. One value a node. The last node's processes, in MiB: " + parts + "."})
	r.b.add(Figure{ID: "idle.daemon", Name: "resident memory at rest, daemon alone", Unit: "MiB", Values: daemon})
	r.b.add(Figure{ID: "idle.cpu", Name: "CPU at rest, daemon and plugins of a node, web_farm up, no traffic, 20 s", Unit: "% of a core", Target: always(3), Values: cpu,
		Note: "One value a node. Of the last node's CPU time since its start: " + used + "."})
	return nil
}

// household is the daemon, first, and its plugins.
type household []usage

func familyUsage(n lab.NodeStatus) (household, error) {
	pids, err := family(n.PID)
	if err != nil {
		return nil, err
	}
	var all household
	for _, pid := range pids {
		u, err := usageOf(pid)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", n.Name, err)
		}
		all = append(all, u)
	}
	return all, nil
}

func (h household) cpu() (sum float64) {
	for _, u := range h {
		sum += u.CPU
	}
	return sum
}

// memory is what the processes need together on a server of their own. PSS would
// divide the program's pages between the nodes of the lab, RSS would count them
// once a process.
func (h household) memory() float64 {
	own, shared := 0.0, 0.0
	for _, u := range h {
		own += u.Anonymous
		shared = max(shared, u.FileMapped)
	}
	return own + shared
}

func (h household) text() string {
	var parts []string
	for _, u := range h {
		parts = append(parts, fmt.Sprintf("%s own %s, of files %s, RSS %s, PSS %s", u.name(), short(u.Anonymous), short(u.FileMapped), short(u.RSS), short(u.PSS)))
	}
	return strings.Join(parts, "; ")
}

func (u usage) name() string {
	if _, kind, ok := strings.Cut(u.CommandLine, " plugin serve "); ok {
		return kind
	}
	return "daemon"
}

// shares tells how the CPU time is parted between the processes.
func (h household) shares() string {
	var parts []string
	for _, u := range h {
		parts = append(parts, fmt.Sprintf("%s %.0f %%", u.name(), 100*u.CPU/h.cpu()))
	}
	return strings.Join(parts, ", ")
}
