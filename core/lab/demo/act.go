package demo

import (
	"context"
	"fmt"
	"time"

	"github.com/orchestrator-ha/orchestrator/core/lab"
	"github.com/orchestrator-ha/orchestrator/core/lab/load"
)

// act is one fault, from a moment before it to the server's return.
type act struct {
	kind, node string
	begin      load.Report
	at         float64 // ms on the load's clock, when the fault was made
	back       float64 // … when its cause was taken away; 0: not yet
}

// margin is for attempts that were under way at the moment of the fault.
const margin = 50

type move struct {
	title, event, mark, back string
	do, undo                 func(ctx context.Context, d *director, node string) error
}

var moves = map[string]move{
	"kill": {
		title: "%s dies", event: "SIGKILL to the daemon and the application of %s", mark: "killed", back: "%s is started again",
		do: fault(lab.Fault{Verb: lab.Kill, All: true}), undo: fault(lab.Fault{Verb: lab.Heal}),
	},
	"cut": {
		title: "%s loses its network cable", event: "the cable of %s is cut", mark: "cable cut", back: "the cable of %s is plugged in again",
		do: fault(lab.Fault{Verb: lab.Cut}), undo: fault(lab.Fault{Verb: lab.Heal}),
	},
	"drain": {
		title: "%s is drained for maintenance", event: "%s gets no new connections, keeps those it has", mark: "drained", back: "%s takes its share again",
		do: command("drain"), undo: command("undrain"),
	},
}

func fault(f lab.Fault) func(context.Context, *director, string) error {
	return func(ctx context.Context, d *director, node string) error {
		f.Nodes = []string{node}
		return d.stage.Do(ctx, f)
	}
}

func command(verb string) func(context.Context, *director, string) error {
	return func(ctx context.Context, d *director, node string) error {
		_, err := d.stage.Orchestrate(ctx, host, verb, d.cfg.Module, "--node", node)
		return err
	}
}

// perform plays one act and notes what the clients saw.
func (d *director) perform(ctx context.Context, number int, kind, node string) error {
	m, ok := moves[kind]
	if !ok {
		return fmt.Errorf("no act %q: there are kill, cut and drain", kind)
	}
	now := d.watch.now(d.cfg.Calm)
	a := &act{kind: kind, node: node, begin: now.report, at: d.clock(now.report)}
	result := FaultResult{Kind: kind, Node: node, SharesBefore: now.shares()}
	d.scene(fmt.Sprintf("Act %d: "+m.title, number, node), a)
	d.screen.event(m.event, node)
	d.mark(node, m.mark)
	if err := m.do(ctx, d, node); err != nil {
		return fmt.Errorf("%s %s: %w", kind, node, err)
	}
	if err := d.awaitWithout(ctx, node); err != nil {
		return err
	}
	result.SharesAfter = d.watch.now(time.Second).shares()
	d.screen.event("outage seen by the clients: %s; shares now: %s", outage(d.outage(a)), shares(result.SharesAfter))

	a.back = d.clock(a.begin)
	d.screen.event(m.back, node)
	if err := m.undo(ctx, d, node); err != nil {
		return fmt.Errorf("bring %s back: %w", node, err)
	}
	if err := d.awaitReturn(ctx, node); err != nil {
		return err
	}
	d.close(a, &result)
	return nil
}

// clock is the time on the load's clock.
func (d *director) clock(r load.Report) float64 {
	return float64(time.Since(r.Start)) / float64(time.Millisecond)
}

// awaitWithout returns when the service has been whole for a second without the
// node.
func (d *director) awaitWithout(ctx context.Context, node string) error {
	if err := rest(ctx, d.cfg.Calm); err != nil {
		return err
	}
	return d.watch.until(ctx, patience, "the others have taken over from "+node, func(m moment) bool {
		return m.report.New.Failed == m.past.New.Failed && m.report.New.OK > m.past.New.OK &&
			m.report.Shares(m.past)[node] == 0
	})
}

// awaitReturn returns when the node is up and has half of a fair share or more.
func (d *director) awaitReturn(ctx context.Context, node string) error {
	fair := 1 / float64(len(d.nodes))
	err := d.watch.until(ctx, patience, node+" has its share again", func(m moment) bool {
		return m.states[node] == "UP" && m.report.Shares(m.past)[node] > fair/2
	})
	if err != nil {
		return err
	}
	d.mark(node, "")
	d.screen.event("%s has its share again", node)
	// A failure counts when its time-out is over.
	return rest(ctx, d.cfg.Calm)
}

func (d *director) outage(a *act) float64 {
	sum, _ := d.watch.now(0).report.OutageMS(a.at-margin, d.clock(a.begin))
	return sum
}

// close computes what the act cost.
func (d *director) close(a *act, result *FaultResult) {
	now := d.watch.now(d.cfg.Calm)
	result.SharesReturned = now.shares()
	result.OutageMS, _ = now.report.OutageMS(a.at-margin, a.back)
	result.ReturnOutageMS, _ = now.report.OutageMS(a.back, now.report.ElapsedMS)
	result.Failed = now.report.New.Failed - a.begin.New.Failed
	result.Connections = a.connections(now.report)
	d.watch.update(func() {
		d.result.Faults = append(d.result.Faults, *result)
		d.act = nil
	})
	c := result.Connections
	d.screen.event("long-lived connections: %d kept, %d broken with %s, %d broken on other servers", c.Kept, c.Broken, a.node, c.BrokenOther)
}

// connections tells those that broke with the failed server from others. One
// that broke and was opened only after the fault has no excuse, nor one on a
// drained server.
func (a *act) connections(now load.Report) Connections {
	c := Connections{Kept: a.begin.Connections.Kept}
	for _, b := range now.Connections.Breaks[len(a.begin.Connections.Breaks):] {
		old := b.AtMS-b.AgeMS <= a.at
		if old {
			c.Kept--
		}
		if old && b.Node == a.node && a.kind != "drain" {
			c.Broken++
		} else {
			c.BrokenOther++
		}
	}
	return c
}
