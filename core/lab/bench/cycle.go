package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/orchestrator-ha/orchestrator/core/lab"
	"github.com/orchestrator-ha/orchestrator/core/lab/load"
)

const (
	newRate    = 500  // connections a second
	longLived  = 1000 // connections
	calm       = 2 * time.Second
	patience   = time.Minute
	margin     = 50  // ms, for attempts under way at the moment of the fault
	leaseGrace = 500 // ms after the fault; the lease of a stopped node is long over
)

// kind is a fault and how its cause is taken away.
type kind struct {
	name, title string
	do, undo    func(ctx context.Context, r *rig, node string) error
	// stays: the node goes on serving what it has, nothing may break.
	stays bool
}

func doing(f lab.Fault) func(context.Context, *rig, string) error {
	return func(ctx context.Context, r *rig, node string) error {
		f.Nodes = []string{node}
		return r.fault(ctx, f)
	}
}

func commanding(verb string) func(context.Context, *rig, string) error {
	return func(ctx context.Context, r *rig, node string) error {
		_, err := r.on(ctx, r.other(node), "orchestrator", verb, "nginx_farm", "--node", node)
		return err
	}
}

// other is a node that is not the one.
func (r *rig) other(node string) string {
	if r.nodes[0] != node {
		return r.nodes[0]
	}
	return r.nodes[1]
}

var kinds = []kind{
	{name: "kill", title: "SIGKILL of the daemon and nginx",
		do: doing(lab.Fault{Verb: lab.Kill, All: true}), undo: doing(lab.Fault{Verb: lab.Heal})},
	{name: "cut", title: "cable cut",
		do: doing(lab.Fault{Verb: lab.Cut}), undo: doing(lab.Fault{Verb: lab.Heal})},
	{name: "stop", title: "SIGSTOP of the daemon",
		do: doing(lab.Fault{Verb: lab.Pause}), undo: doing(lab.Fault{Verb: lab.Heal})},
	{name: "drain", title: "drain", stays: true,
		do: commanding("drain"), undo: commanding("undrain")},
}

// cost is what clients noticed of one fault and of the node's return.
type cost struct {
	outage, returned float64 // ms
	brokenOwn        float64 // long-lived connections to the node itself
	brokenOther      float64 // … to others, or without an excuse
	late             float64 // answers of the node when its lease was over
	notSent          int64   // attempts that this machine could not make
	clientLate       float64 // ms by which the client was behind its schedule, at most
	why              string  // how those of the node itself broke
}

// cycle makes one fault under load, takes it away and waits until the node has
// its share again. Nobody's asked during the outage.
func (r *rig) cycle(ctx context.Context, k kind, node string) (cost, error) {
	c := startClient(ctx, r.load(newRate, longLived))
	at, back, lateness, err := r.act(ctx, c, k, node)
	report, failed := c.end()
	if err := errors.Join(err, failed); err != nil {
		return cost{}, err
	}
	return account(report, k, node, at, back, lateness), nil
}

// act answers when the fault was made and taken away, on the load's clock, and
// how many answers came from the node between.
func (r *rig) act(ctx context.Context, c *client, k kind, node string) (at, back, late float64, err error) {
	err = c.until(ctx, patience, "all long-lived connections are open and all is answered", func(last, past load.Report) bool {
		return last.Connections.Kept >= longLived && whole(last, past)
	})
	if err == nil {
		// The fault finds the heartbeats at any point.
		err = rest(ctx, calm+rand.N(time.Second))
	}
	if err != nil {
		return 0, 0, 0, err
	}
	at = c.clock()
	if err := k.do(ctx, r, node); err != nil {
		return 0, 0, 0, err
	}
	if err := c.until(ctx, patience, "the others have taken over", func(last, past load.Report) bool {
		return past.ElapsedMS > at+leaseGrace && whole(last, past)
	}); err != nil {
		return 0, 0, 0, err
	}
	_, early := c.now()
	if err := rest(ctx, calm); err != nil {
		return 0, 0, 0, err
	}
	last, _ := c.now()
	late = float64(last.New.Nodes[node] - early.New.Nodes[node])
	back = c.clock()
	if err := k.undo(ctx, r, node); err != nil {
		return 0, 0, 0, err
	}
	fair := 1 / float64(len(r.nodes))
	err = c.until(ctx, patience, node+" has its share again", func(last, past load.Report) bool {
		return past.ElapsedMS > back && last.Shares(past)[node] > fair/2 && whole(last, past)
	})
	if err == nil {
		err = rest(ctx, calm)
	}
	return at, back, late, err
}

// worthless says that this machine was too busy to be a client.
func (c cost) worthless() bool { return c.notSent > 0 || c.clientLate >= 250 }

// account tells what the fault cost from what its undoing did.
func account(report load.Report, k kind, node string, at, back, late float64) cost {
	c := cost{late: late, notSent: report.New.NotSent, clientLate: report.New.LateMS}
	c.outage, _ = report.OutageMS(at-margin, back)
	c.returned, _ = report.OutageMS(back, report.ElapsedMS+1)
	causes := map[load.Cause]int{}
	for _, b := range report.Connections.Breaks {
		old := b.AtMS-b.AgeMS <= at+margin
		switch {
		case b.AtMS < at: // long before; there are none, or the service was ill
			c.brokenOther++
		case b.Node == node && old && !k.stays:
			c.brokenOwn++
			causes[b.Cause]++
		default:
			c.brokenOther++
		}
	}
	c.why = fmt.Sprint(causes)[len("map"):]
	return c
}
