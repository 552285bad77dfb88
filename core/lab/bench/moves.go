package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/orchestrator-ha/orchestrator/core/lab"
	"github.com/orchestrator-ha/orchestrator/core/lab/load"
	"github.com/orchestrator-ha/orchestrator/modules"
)

const (
	moveModule = "moves_farm"
	moveRate   = 2000  // connections a second
	moveLiving = 10000 // connections that live long
	moving     = "n3"
)

// move is a planned change of a farm at work. before puts the farm into the state from
// which it starts, when no client is there.
type move struct {
	name, title string
	before, do  func(ctx context.Context, r *rig) error
	// restarts: connections may end with the server whose application is stopped.
	restarts bool
}

func ordering(verb string) func(context.Context, *rig) error {
	return func(ctx context.Context, r *rig) error {
		_, err := r.on(ctx, r.nodes[0], "orchestrator", verb, moveModule, "--node", moving)
		return err
	}
}

// drained makes sure that the node is drained, or that it is not.
func drained(want bool) func(context.Context, *rig) error {
	return func(ctx context.Context, r *rig) error {
		if r.states(ctx, r.nodes[0], moveModule)[moving].Drained == want {
			return nil
		}
		verb := "undrain"
		if want {
			verb = "drain"
		}
		return errors.Join(ordering(verb)(ctx, r), r.whole(ctx))
	}
}

var planned = []move{
	{name: "join", title: "a node joins", before: ordering("stop"), do: ordering("start")},
	{name: "drain", title: "a node is drained", before: drained(false), do: ordering("drain")},
	{name: "return", title: "a drained node returns", before: drained(true), do: ordering("undrain")},
	{name: "weights", title: "powers change and change back", before: drained(false), do: reweigh},
	{name: "restart", title: "all nodes are restarted, one after the other", before: drained(false), do: restartAll, restarts: true},
}

// moves measures whether anybody notices that a farm changes: 10,000 connections live,
// and 2,000 a second are made.
func moves(ctx context.Context, b *bench) error {
	for _, mode := range []string{"vmac_directed", "vmac_invisible"} {
		if err := b.movesIn(ctx, mode); err != nil {
			return fmt.Errorf("%s: %w", mode, err)
		}
	}
	return nil
}

// noticed is what clients saw of a move. busy: this machine did not keep up with them.
type noticed struct {
	broken, lost, twice, ended float64
	busy                       bool
}

func (b *bench) movesIn(ctx context.Context, mode string) (err error) {
	r, err := b.movingFarm(ctx, mode)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, r.close()) }()
	var lost, twice []float64
	busy := 0
	for _, m := range planned {
		f := Figure{ID: "moves." + m.name + "." + mode, Target: always(0),
			Name: fmt.Sprintf("connections broken of 10,000, %s: %s", mode, m.title)}
		for range min(3, b.runs) {
			saw, err := r.notice(ctx, m)
			if refused := (&refusal{}); errors.As(err, &refused) {
				f.Skipped = refused.Error()
				break
			}
			if err != nil {
				return fmt.Errorf("%s: %w", m.name, err)
			}
			f.Values = append(f.Values, saw.broken)
			lost, twice = append(lost, saw.lost), append(twice, saw.twice)
			if saw.busy {
				busy++
			}
			if m.restarts {
				f.Note = fmt.Sprintf("Beside these, %.0f ended in the last run with the server that had them.", saw.ended)
			}
		}
		b.add(f)
	}
	f := Figure{ID: "moves.lost." + mode, Name: "SYNs lost in a planned move at 2,000 connections a second, " + mode, Target: always(0), Values: lost}
	if busy > 0 {
		f.Note = fmt.Sprintf("In %d of the runs this machine was too busy to keep the clients' schedule, three times in a row: they say little.", busy)
	}
	b.add(f)
	b.add(Figure{ID: "moves.twice." + mode, Name: "SYNs answered twice in a planned move at 2,000 connections a second, " + mode, Target: always(0), Values: twice})
	return nil
}

// movingFarm is a farm of nginx in a mode, with powers.
func (b *bench) movingFarm(ctx context.Context, mode string) (*rig, error) {
	r, err := b.build(ctx, 3, false)
	if err != nil {
		return nil, err
	}
	wrapper, err := r.prepareNginx()
	if err == nil {
		err = r.installMoving(ctx, mode, wrapper)
	}
	if err != nil {
		return nil, errors.Join(err, r.close())
	}
	return r, nil
}

func (r *rig) installMoving(ctx context.Context, mode, wrapper string) error {
	source, ok := modules.Builtin("nginx_farm")
	if !ok {
		return errors.New("nginx_farm is not shipped")
	}
	dir := filepath.Join(r.b.root, "files", moveModule)
	if err := errors.Join(os.RemoveAll(dir), os.CopyFS(dir, source)); err != nil {
		return fmt.Errorf("copy nginx_farm: %w", err)
	}
	const group = `<group name="FarmProto">`
	powers := group + `<cluster><host name="n1" power="1"/><host name="n2" power="1"/><host name="n3" power="1"/></cluster>`
	path := filepath.Join(dir, "conf", "userconfig.xml")
	if err := edit(path, "vmac_directed", mode, group, powers); err != nil {
		return err
	}
	return r.install(ctx, dir, "PROGRAM="+wrapper)
}

// edit replaces texts in a file; each must be there.
func edit(path string, pairs ...string) error {
	raw, err := os.ReadFile(path)
	if err != nil {
		return fmt.Errorf("change a configuration: %w", err)
	}
	text := string(raw)
	for i := 0; i < len(pairs); i += 2 {
		if !strings.Contains(text, pairs[i]) {
			return fmt.Errorf("change a configuration: there is no %q in %s", pairs[i], path)
		}
		text = strings.ReplaceAll(text, pairs[i], pairs[i+1])
	}
	if err := os.WriteFile(path, []byte(text), fs.FileMode(0o644)); err != nil {
		return fmt.Errorf("change a configuration: %w", err)
	}
	return nil
}

// refusal is what the program does not do.
type refusal struct{ error }

func reweigh(ctx context.Context, r *rig) error {
	i := slices.IndexFunc(r.status.Nodes, func(n lab.NodeStatus) bool { return n.Name == r.nodes[0] })
	path := filepath.Join(r.status.Nodes[i].Home, "modules", moveModule, "conf", "userconfig.xml")
	const one, three = `<host name="n3" power="1"/>`, `<host name="n3" power="3"/>`
	for _, change := range [][2]string{{one, three}, {three, one}} {
		if err := edit(path, change[0], change[1]); err != nil {
			return err
		}
		if _, err := r.on(ctx, r.nodes[0], "orchestrator", "config", "apply", moveModule); err != nil {
			return &refusal{errors.Join(err, edit(path, change[1], change[0]))}
		}
		if err := rest(ctx, calm); err != nil {
			return err
		}
	}
	return nil
}

func restartAll(ctx context.Context, r *rig) error {
	r.restarted = map[string]period{}
	for _, node := range r.nodes {
		begin := time.Now()
		for _, verb := range []string{"stop", "start"} {
			if _, err := r.on(ctx, r.nodes[0], "orchestrator", verb, moveModule, "--node", node); err != nil {
				return err
			}
		}
		if err := r.whole(ctx); err != nil {
			return err
		}
		r.restarted[node] = period{begin, time.Now()}
	}
	return nil
}

// whole waits until all nodes that should have a share have one.
func (r *rig) whole(ctx context.Context) error {
	return r.await(ctx, patience, "all nodes are up with their share", func() bool {
		states := r.states(ctx, r.nodes[0], moveModule)
		for _, name := range r.nodes {
			n := states[name]
			if !isUp(n) || n.Share == 0 && !n.Drained {
				return false
			}
		}
		return true
	})
}

// notice makes a move under load, again when this machine did not keep up.
func (r *rig) notice(ctx context.Context, m move) (noticed, error) {
	for again := 0; ; again++ {
		r.restarted = nil
		if err := m.before(ctx, r); err != nil {
			return noticed{}, err
		}
		var before drops
		report, at, err := r.under(ctx, func() (err error) {
			if before, err = r.drops(ctx); err != nil {
				return err
			}
			if err := m.do(ctx, r); err != nil {
				return err
			}
			return r.whole(ctx)
		})
		if err != nil {
			return noticed{}, err
		}
		after, err := r.drops(ctx)
		if err != nil {
			return noticed{}, err
		}
		saw := see(report, at, r.restarted)
		r.b.say("%s: %.0f broken, %.0f ended with their server, %.0f lost %v, %.0f twice; client late by %.0f ms, not sent %d; %s",
			m.name, saw.broken, saw.ended, saw.lost, report.New.Causes, saw.twice, report.New.LateMS, report.New.NotSent, after.since(before))
		saw.busy = report.New.NotSent > 0 || report.New.LateMS >= 250
		if !saw.busy || again == 2 {
			return saw, nil
		}
	}
}

// under does something while the clients are at work, and answers when it began on
// their clock.
func (r *rig) under(ctx context.Context, do func() error) (load.Report, float64, error) {
	cfg := r.load(moveRate, moveLiving)
	cfg.Interval, cfg.Patience, cfg.InFlight, cfg.Doubles = 5*time.Second, 10*time.Second, 2048, true
	// Thousands of clients do not come back in one millisecond, all by one cable.
	cfg.Reopen = 3 * time.Second
	// A SYN that was lost is repeated after a second (RFC 6298): what takes less was not
	// lost, only late.
	cfg.Timeout = 900 * time.Millisecond
	c := startClient(ctx, cfg)
	defer c.cancel()
	err := c.until(ctx, patience, "all long-lived connections are open and all is answered", func(last, past load.Report) bool {
		return last.Connections.Kept >= moveLiving && whole(last, past)
	})
	if err == nil {
		err = rest(ctx, calm)
	}
	at := c.clock()
	if err == nil {
		err = do()
	}
	if err == nil {
		// Each connection has asked once more, and has its answer or has given up.
		err = rest(ctx, cfg.Interval+calm)
	}
	report, failed := c.end()
	return report, at, errors.Join(err, failed)
}

// period is when the application of a node was restarted.
type period struct{ begin, end time.Time }

// see tells what breaks from what had to end.
func see(report load.Report, at float64, restarted map[string]period) noticed {
	saw := noticed{twice: float64(report.New.Twice())}
	for _, o := range report.New.Outages {
		if o.AtMS >= at-margin {
			saw.lost += float64(o.Lost)
			if after := float64(o.Failed - o.Lost); restarted != nil {
				saw.ended += after
			} else {
				saw.broken += after
			}
		}
	}
	for _, b := range report.Connections.Breaks {
		when := report.Start.Add(time.Duration(b.AtMS * float64(time.Millisecond)))
		if p, ok := restarted[b.Node]; ok && when.After(p.begin) && when.Before(p.end.Add(time.Second)) {
			saw.ended++
		} else {
			saw.broken++
		}
	}
	return saw
}
