package demo

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/orchestrator-ha/orchestrator/core/lab"
)

// The demonstration asks the first server and lets others fail.
const host = "n1"

const patience = time.Minute

func (d *director) install(ctx context.Context) error {
	steps := []struct {
		what string
		args []string
	}{
		{"installing " + d.cfg.Archive, []string{"module", "install", d.cfg.Archive, "--set", "VIRTUAL_IP=" + lab.SuggestedVIP}},
		{"starting " + d.cfg.Module + " on all servers", []string{"start", d.cfg.Module}},
	}
	for _, step := range steps {
		d.screen.event("%s", step.what)
		if _, err := d.stage.Orchestrate(ctx, host, step.args...); err != nil {
			return fmt.Errorf("%s: %w", step.what, err)
		}
	}
	return d.awaitUp(ctx)
}

// awaitUp returns when the module is up on all servers. It asks by itself: the
// load does not run yet.
func (d *director) awaitUp(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for {
		states, err := d.ask(ctx)
		up := 0
		for _, state := range states {
			if state == "UP" {
				up++
			}
		}
		if err == nil && up == len(d.nodes) {
			d.watch.update(func() { d.watch.states = states })
			d.screen.event("%s is up on %d servers behind one address, %s", d.cfg.Module, up, lab.SuggestedVIP)
			return nil
		}
		if rest(ctx, 200*time.Millisecond) != nil {
			return fmt.Errorf("%s is not up on all servers within %s: %v: %w", d.cfg.Module, patience, states, orElse(err, ctx.Err()))
		}
	}
}

func orElse(err, other error) error {
	if err != nil {
		return err
	}
	return other
}

// ask answers the state of the module on each server; one that is on its way has
// a small state.
func (d *director) ask(ctx context.Context) (map[string]string, error) {
	out, err := d.stage.Orchestrate(ctx, host, "status", "--json")
	if err != nil {
		return nil, err
	}
	var answer struct {
		Modules []struct {
			Name  string `json:"name"`
			Nodes []struct {
				Node  string `json:"node"`
				State string `json:"state"`
				Phase string `json:"phase"`
			} `json:"nodes"`
		} `json:"modules"`
	}
	if err := json.Unmarshal(out, &answer); err != nil {
		return nil, fmt.Errorf("read the status of %s: %w", host, err)
	}
	states := map[string]string{}
	for _, m := range answer.Modules {
		if m.Name != d.cfg.Module {
			continue
		}
		for _, n := range m.Nodes {
			states[n.Node] = n.State
			if n.Phase != "Ready" {
				states[n.Node] = n.State + " …"
			}
		}
	}
	return states, nil
}

// poll keeps the states of the table fresh.
func (d *director) poll(ctx context.Context) {
	for rest(ctx, 500*time.Millisecond) == nil {
		if states, err := d.ask(ctx); err == nil {
			d.watch.update(func() { d.watch.states = states })
		}
	}
}

func rest(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}

func (d *director) play(ctx context.Context) error {
	d.scene("All is well", nil)
	d.screen.event("clients: %d new connections per second, and %d long-lived ones", d.cfg.Rate, d.cfg.Connections)
	err := d.watch.until(ctx, patience, "all long-lived connections are open", func(m moment) bool {
		return m.report.Connections.Kept >= d.cfg.Connections
	})
	if err != nil {
		return err
	}
	if err := rest(ctx, d.cfg.Calm); err != nil {
		return err
	}
	d.result.Shares.Before = d.watch.now(d.cfg.Calm).shares()
	d.screen.event("shares: %s", shares(d.result.Shares.Before))
	for i, kind := range d.cfg.Acts {
		if err := d.perform(ctx, i+1, kind, d.nodes[1+i%(len(d.nodes)-1)]); err != nil {
			return err
		}
	}
	d.finish()
	return nil
}

func (d *director) finish() {
	m := d.watch.now(d.cfg.Calm)
	r := &d.result
	r.Shares.After = m.shares()
	inActs := 0
	for _, f := range r.Faults {
		r.Connections.Broken += f.Connections.Broken
		r.Connections.BrokenOther += f.Connections.BrokenOther
		inActs += f.Connections.Broken + f.Connections.BrokenOther
	}
	r.Connections.Kept = m.report.Connections.Kept
	r.Connections.BrokenOther += m.report.Connections.Broken - inActs
	if n := r.Connections.BrokenOther; n > 0 {
		r.Problems = append(r.Problems, fmt.Sprintf("%d connections broke that did not live on a server that failed", n))
	}
	if r.AnsweredTwice = m.report.New.Twice(); r.AnsweredTwice > 0 {
		r.Problems = append(r.Problems, fmt.Sprintf("%d requests were answered by two servers, the first at %.1f s", r.AnsweredTwice, m.report.New.Doubles[0].AtMS/1000))
	}
	if n := m.report.New.NotSent; n > 0 {
		r.Problems = append(r.Problems, fmt.Sprintf("this machine could not make %d of the client's connections: it is too busy to measure well", n))
	}
}
