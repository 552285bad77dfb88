package main

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net/url"
	"strings"
	"time"

	"github.com/orchestrator-ha/orchestrator/core/control"
)

// falseAlarms looks for verdicts about nodes that live, on a busy machine.
func falseAlarms(ctx context.Context, b *bench) error {
	for text := range strings.SplitSeq(b.cases, ",") {
		var nodes, busy int
		if _, err := fmt.Sscanf(text, "%dx%d", &nodes, &busy); err != nil || nodes < 2 {
			return fmt.Errorf("case %q: write nodes x busy processes, such as 3x100", text)
		}
		if err := b.falseAlarm(ctx, nodes, busy); err != nil {
			return fmt.Errorf("%d nodes, %d busy processes: %w", nodes, busy, err)
		}
	}
	return nil
}

func (b *bench) falseAlarm(ctx context.Context, nodes, busy int) (err error) {
	r, err := b.build(ctx, nodes, false)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, r.close()) }()
	if err := r.install(ctx, "web_farm.safe"); err != nil {
		return err
	}
	peer, err := r.startMemberlists(ctx)
	if err != nil {
		return err
	}
	defer peer.end()
	if err := rest(ctx, 5*time.Second); err != nil {
		return err
	}
	before, _, err := r.alarms(ctx)
	if err != nil {
		return err
	}
	leftBefore, _ := peer.counted()
	end, err := burners(ctx, busy)
	if err != nil {
		return err
	}
	seen, err := r.observe(ctx, time.Duration(b.minutes*float64(time.Minute)))
	end()
	if err != nil {
		return err
	}
	after, said, err := r.alarms(ctx)
	if err != nil {
		return err
	}
	left, err := peer.counted()
	if err != nil {
		return err
	}
	settled := r.await(ctx, 30*time.Second, "each bucket has one owner, all nodes are up", func() bool {
		sum, known := r.coverage(ctx)
		return known == nodes && math.Abs(sum-1) < oneBucket/2
	})
	b.alarmFigures(nodes, busy, after.less(before), float64(left-leftBefore), seen, said, settled)
	return nil
}

func (b *bench) alarmFigures(nodes, busy int, n alarmCount, peer float64, seen observation, said []string, settled error) {
	id := fmt.Sprintf("falsealarm.%d.%d.", nodes, busy)
	where := fmt.Sprintf("%d nodes, %d busy processes, %s min", nodes, busy, short(b.minutes))
	lost := Figure{ID: id + "lost", Name: "live nodes declared lost: " + where, Values: []float64{float64(n.lost)},
		Peer: &Peer{Name: "memberlist, defaults", Values: []float64{peer}}}
	lapsed := Figure{ID: id + "lapsed", Name: "leases that ran out: " + where, Values: []float64{float64(n.lapsed)}}
	if busy < 10 {
		lost.Target, lapsed.Target = always(0), always(0)
	} else if peer > 0 {
		lost.Target = Target{BelowPeer: true}
	} else {
		lost.Target = always(0) // not more than the peer
	}
	b.say("in the same run memberlist: %.0f", peer)
	for _, text := range said[:min(10, len(said))] {
		b.say("%s", text)
	}
	if len(said) > 0 {
		lost.Note = "The last of what the journals say: " + said[len(said)-1]
	}
	gap := Figure{ID: id + "coverage", Name: "longest time with a bucket without owner or with two, by the nodes' own words: " + where, Unit: "s", Target: always(1),
		Values: []float64{seen.longest}, Note: fmt.Sprintf("%d looks, %d of them without an answer of every node.", seen.looks, seen.incomplete)}
	if settled != nil {
		gap.Note += " At the end: " + settled.Error() + "."
		gap.Values = []float64{math.Max(seen.longest, 30)}
	} else {
		gap.Note += " At the end each bucket had one owner."
	}
	for _, f := range []Figure{lost, lapsed, gap} {
		b.add(f)
	}
}

// alarmCount is the sum over all nodes' journals.
type alarmCount struct{ lost, lapsed int }

func (a alarmCount) less(b alarmCount) alarmCount {
	return alarmCount{a.lost - b.lost, a.lapsed - b.lapsed}
}

func (r *rig) alarms(ctx context.Context) (alarmCount, []string, error) {
	var n alarmCount
	var said []string
	for _, name := range r.nodes {
		query := url.Values{"type": {"member"}, "limit": {"100000"}}
		err := r.clients[name].Log(ctx, query, func(e control.LogEntry) error {
			switch {
			case strings.Contains(e.Text, "was declared lost"):
				n.lost++
				said = append(said, e.Time.Format("15:04:05.000 ")+name+": "+e.Text)
			case strings.Contains(e.Text, "its lease ran out"):
				n.lapsed++
				said = append(said, e.Time.Format("15:04:05.000 ")+name+": "+e.Text)
			}
			return nil
		})
		if err != nil {
			return n, nil, fmt.Errorf("read the journal of %s: %w", name, err)
		}
	}
	return n, said, nil
}

// oneBucket is the part that one of the 4096 buckets is.
const oneBucket = 1.0 / 4096

// observation is what looking every second has shown.
type observation struct {
	looks, incomplete int
	longest           float64 // s between the first and the last look in a row that found the parts not to be one whole
}

// observe asks every node for its own part. A look needs an answer of every
// node to count.
func (r *rig) observe(ctx context.Context, while time.Duration) (observation, error) {
	var o observation
	var since time.Time
	end := time.Now().Add(while)
	for time.Now().Before(end) {
		if err := rest(ctx, time.Second); err != nil {
			return o, err
		}
		sum, known := r.coverage(ctx)
		o.looks++
		switch {
		case known < len(r.nodes):
			o.incomplete++
		case math.Abs(sum-1) < oneBucket/2:
			since = time.Time{}
		case since.IsZero():
			since = time.Now()
		default:
			o.longest = max(o.longest, time.Since(since).Seconds())
		}
	}
	return o, nil
}

// coverage is the sum of the parts that the nodes own by their own tables, and
// how many of them answered.
func (r *rig) coverage(ctx context.Context) (sum float64, known int) {
	type part struct {
		share float64
		ok    bool
	}
	parts := make(chan part, len(r.nodes))
	for _, name := range r.nodes {
		go func() {
			n := r.states(ctx, name, "web_farm")[name]
			parts <- part{n.Share, n.Reachable}
		}()
	}
	for range r.nodes {
		if p := <-parts; p.ok {
			sum += p.share
			known++
		}
	}
	return sum, known
}
