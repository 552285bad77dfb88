package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/orchestrator-ha/orchestrator/core/lab"
	"github.com/orchestrator-ha/orchestrator/core/lab/load"
)

const ready1 = 1000 // ms

// ready measures how soon a node, and a module, do their work.
func ready(ctx context.Context, b *bench) (err error) {
	r, err := b.build(ctx, 3, false)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, r.close()) }()
	if err := r.install(ctx, "web_farm.safe"); err != nil {
		return err
	}
	up := Figure{ID: "ready.node", Name: "daemon's start to web_farm UP (Ready) on a node of a running farm", Unit: "ms", Target: always(ready1)}
	share := Figure{ID: "ready.share", Name: "daemon's start to the node having its share", Unit: "ms"}
	for run := range b.runs {
		ready, owns, err := r.restart(ctx, r.nodes[run%len(r.nodes)])
		if err != nil {
			return err
		}
		up.Values, share.Values = append(up.Values, ready), append(share.Values, owns)
	}
	b.add(up)
	b.add(share)
	first := Figure{ID: "ready.module", Name: "start of web_farm on all nodes to the first answered connection", Unit: "ms", Target: always(ready1)}
	for range b.runs {
		took, err := r.firstAnswer(ctx)
		if err != nil {
			return err
		}
		first.Values = append(first.Values, took)
	}
	b.add(first)
	return nil
}

// restart kills all of a node and starts its daemon again: ms until its module is
// ready, and until it has a share.
func (r *rig) restart(ctx context.Context, node string) (up, share float64, err error) {
	if err := r.fault(ctx, lab.Fault{Verb: lab.Kill, Nodes: []string{node}, All: true}); err != nil {
		return 0, 0, err
	}
	if err := rest(ctx, 3*time.Second); err != nil {
		return 0, 0, err
	}
	start := time.Now()
	started := make(chan error, 1)
	go func() { started <- r.fault(ctx, lab.Fault{Verb: lab.Heal, Nodes: []string{node}}) }()
	err = r.await(ctx, patience, node+" is up and has a share", func() bool {
		n := r.states(ctx, node, "web_farm")[node]
		if isUp(n) && up == 0 {
			up = since(start)
		}
		return up > 0 && n.Share > 0
	})
	share = since(start)
	return up, share, errors.Join(err, <-started)
}

func since(start time.Time) float64 { return float64(time.Since(start)) / float64(time.Millisecond) }

// firstAnswer stops and starts the module: ms from the command to the first
// connection that is answered, seen by a client that tries all the time.
func (r *rig) firstAnswer(ctx context.Context) (float64, error) {
	if _, err := r.on(ctx, r.nodes[0], "orchestrator", "stop", "web_farm"); err != nil {
		return 0, err
	}
	cfg := r.load(200, 0)
	c := startClient(ctx, cfg)
	defer c.cancel()
	err := c.until(ctx, patience, "nothing is answered", func(last, past load.Report) bool { return last.New.OK == past.New.OK })
	if err != nil {
		return 0, err
	}
	last, _ := c.now()
	begun, answered := c.clock(), last.New.OK
	if _, err := r.on(ctx, r.nodes[0], "orchestrator", "start", "web_farm"); err != nil {
		return 0, err
	}
	err = c.until(ctx, patience, "all is answered", func(last, past load.Report) bool { return last.New.OK > answered && whole(last, past) })
	if err != nil {
		return 0, err
	}
	report, err := c.end()
	if err != nil {
		return 0, err
	}
	// The time without answers is one outage that was there when the command came.
	for _, o := range report.New.Outages {
		if o.AtMS <= begun && o.AtMS+o.MS > begun {
			return o.AtMS + o.MS - begun, nil
		}
	}
	return 0, fmt.Errorf("the client saw no outage at the start of web_farm: %+v", report.New.Outages)
}
