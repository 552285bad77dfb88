package main

import (
	"context"
	"errors"
	"fmt"
	"math"
	"time"
)

// outages measures what clients notice of faults, with the default settings.
func outages(ctx context.Context, b *bench) (err error) {
	r, err := b.nginxFarm(ctx, 3)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, r.close()) }()
	if err := r.shares(ctx); err != nil {
		return err
	}
	for _, k := range kinds {
		costs, again, failed := r.repeat(ctx, k)
		if len(costs) > 0 {
			b.report(k, costs, again)
		}
		if failed != nil {
			return fmt.Errorf("%s, run %d: %w", k.name, len(costs)+1, failed)
		}
	}
	return nil
}

// repeat makes the runs of a fault. One in which the client did not keep up with its
// schedule says nothing and is made again; again counts those. Half of the runs
// may be such.
func (r *rig) repeat(ctx context.Context, k kind) (costs []cost, again int, err error) {
	for len(costs) < r.b.runs {
		node := r.nodes[(len(costs)+1)%len(r.nodes)]
		c, err := r.cycle(ctx, k, node)
		if err != nil {
			return costs, again, err
		}
		r.b.say("%s of %s: outage %.0f ms, return %.0f ms, broken %.0f of its own %s, %.0f others; client late by %.0f ms, not sent %d",
			k.name, node, c.outage, c.returned, c.brokenOwn, c.why, c.brokenOther, c.clientLate, c.notSent)
		if c.worthless() && again < (r.b.runs+1)/2 {
			again++
			continue
		}
		costs = append(costs, c)
	}
	return costs, again, nil
}

func (b *bench) report(k kind, costs []cost, again int) {
	column := func(of func(cost) float64) []float64 {
		var list []float64
		for _, c := range costs {
			list = append(list, of(c))
		}
		return list
	}
	target := both(150, 400)
	if k.stays {
		target = always(0)
	}
	outage := Figure{ID: "outage." + k.name, Name: "outage: " + k.title, Unit: "ms", Target: target,
		Values: column(func(c cost) float64 { return c.outage })}
	if again > 0 {
		outage.Note = fmt.Sprintf("%d runs were made again: this machine was too busy to keep the client's schedule.", again)
	}
	b.add(outage)
	b.add(Figure{ID: "return." + k.name, Name: "outage at the node's return after: " + k.title, Unit: "ms", Target: always(0),
		Values: column(func(c cost) float64 { return c.returned })})
	others := Figure{ID: "broken." + k.name, Name: "broken connections of other nodes, fault and return: " + k.title,
		Target: always(0), Values: column(func(c cost) float64 { return c.brokenOther })}
	if !k.stays {
		others.Note = fmt.Sprintf("Of about %d connections on the failed node itself, these broke: %s; in the last run by cause: %s.",
			longLived/3, list(column(func(c cost) float64 { return c.brokenOwn })), costs[len(costs)-1].why)
	} else {
		others.Name = "broken connections on all nodes, and return: " + k.title
	}
	b.add(others)
	if k.name == "stop" {
		b.add(Figure{ID: "late.stop", Name: fmt.Sprintf("new connections answered by the stopped node, later than %d ms", leaseGrace),
			Target: always(0), Values: column(func(c cost) float64 { return c.late })})
	}
}

func list(values []float64) string {
	text := ""
	for i, v := range values {
		if i > 0 {
			text += ", "
		}
		text += short(v)
	}
	return text
}

// shares measures how even the nodes' shares are when nothing happens.
func (r *rig) shares(ctx context.Context) error {
	f := Figure{ID: "shares", Name: "largest distance of a node's share from a third, over 30 s", Unit: "points", Target: always(5)}
	for range min(3, r.b.runs) {
		cfg := r.load(newRate, 0)
		cfg.Duration = 30 * time.Second
		c := startClient(ctx, cfg)
		<-c.done
		report, err := c.end()
		if err != nil {
			return err
		}
		far := 0.0
		for _, name := range r.nodes {
			share := float64(report.New.Nodes[name]) / float64(report.New.OK)
			far = max(far, 100*math.Abs(share-1/float64(len(r.nodes))))
		}
		f.Values = append(f.Values, far)
		if report.New.Failed > 0 {
			f.Note = fmt.Sprintf("%d of %d connections failed in it.", report.New.Failed, report.New.Attempts)
		}
	}
	r.b.add(f)
	return nil
}
