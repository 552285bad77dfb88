package main

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"time"

	"github.com/orchestrator-ha/orchestrator/core/control"
)

// A module whose hooks do next to nothing, and that has neither an address nor
// checks: what its restart takes is the cost of hooks.
var emptyModule = map[string]string{
	"conf/userconfig.xml": `<?xml version="1.0" encoding="utf-8"?>
<!DOCTYPE safe>
<safe>
  <service mode="farm">
    <farm><lan name="default"/></farm>
    <user/>
  </service>
</safe>
`,
	"bin/start_both.lua": "log.info('started %s', ctx.module)\n",
	"bin/stop_both.lua":  "if ctx.force then return end\n",
}

// hooks measures what a hook costs besides its own work.
func hooks(ctx context.Context, b *bench) error {
	return errors.Join(b.hookInProcess(ctx), b.hookThroughDaemon(ctx))
}

func (b *bench) hookInProcess(ctx context.Context) error {
	f := Figure{ID: "hook.lua", Name: "a Lua hook's run besides its own work, without the daemon", Unit: "ms", Target: always(5)}
	for range min(3, b.runs) {
		lines, err := goBench(ctx, "./core/hook", "^BenchmarkRun$", "1s")
		if err != nil {
			return err
		}
		took, err := lines.value("BenchmarkRun", "ns/op")
		if err != nil {
			return err
		}
		f.Values = append(f.Values, took/1e6)
	}
	b.add(f)
	return nil
}

func (b *bench) hookThroughDaemon(ctx context.Context) (err error) {
	dir, err := b.moduleFolder("empty_farm", emptyModule)
	if err != nil {
		return err
	}
	r, err := b.build(ctx, 1, false)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, r.close()) }()
	if _, err := r.on(ctx, "n1", "orchestrator", "module", "install", dir); err != nil {
		return err
	}
	if _, err := r.on(ctx, "n1", "orchestrator", "start", "empty_farm"); err != nil {
		return err
	}
	f := Figure{ID: "hook.daemon", Name: "a Lua hook in a restart by the daemon, journal and commands included", Unit: "ms", Target: Target{Median: upTo(5)},
		Note: "The time of the whole command restart of a module without application, by the number of hooks that ran."}
	for range max(b.runs, 5) {
		took, err := r.restartEmpty(ctx)
		if err != nil {
			return err
		}
		f.Values = append(f.Values, took)
	}
	b.add(f)
	return nil
}

// restartEmpty answers the ms that a restart takes by the number of its hooks.
func (r *rig) restartEmpty(ctx context.Context) (float64, error) {
	c := r.clients["n1"]
	before, err := hookRuns(ctx, c)
	if err != nil {
		return 0, err
	}
	var outcome control.Outcome
	start := time.Now()
	err = c.Post(ctx, "/v1/modules/empty_farm/restart", control.VerbRequest{Wait: control.Duration(patience)}, &outcome)
	took := since(start)
	if err != nil {
		return 0, err
	}
	after, err := hookRuns(ctx, c)
	if err != nil {
		return 0, err
	}
	if after == before {
		return 0, fmt.Errorf("restart ran no hook: %+v", outcome)
	}
	return took / float64(after-before), nil
}

// hookRuns counts the journal's entries about hooks.
func hookRuns(ctx context.Context, c *control.Client) (int, error) {
	count := 0
	err := c.Log(ctx, url.Values{"module": {"empty_farm"}, "type": {"output"}, "limit": {"100000"}}, func(control.LogEntry) error {
		count++
		return nil
	})
	return count, err
}
