// Package demo plays a farm's life before an audience: three servers share one
// address, one dies, its clients hardly notice, it comes back.
package demo

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"time"

	"github.com/orchestrator-ha/orchestrator/core/lab"
	"github.com/orchestrator-ha/orchestrator/core/lab/load"
)

// Stage is the lab in which the demonstration plays.
type Stage interface {
	Do(ctx context.Context, f lab.Fault) error
	// Orchestrate runs the program on a node and answers its standard output.
	Orchestrate(ctx context.Context, node string, args ...string) ([]byte, error)
	Status() lab.Status
	// ClientNamespace is the path of the client's network namespace.
	ClientNamespace() string
}

// Loader makes load, as load.Run does.
type Loader func(ctx context.Context, cfg load.Config, sink func(load.Report)) (load.Report, error)

// Config says how the demonstration is played. The zero value of every field
// but Out is usable.
type Config struct {
	Out      io.Writer // events, and on a terminal the live table
	Terminal bool      // Out understands ECMA-48 control sequences

	Module  string   // "web_farm"
	Archive string   // "web_farm.safe"
	Acts    []string // of kill, cut, drain; in this order when empty

	Rate        int           // new connections per second; 300
	Connections int           // long-lived ones; 60
	Calm        time.Duration // how long each scene is shown; 3 s
	Load        Loader        // load.Run

	begin time.Time // of the clock in front of the events; that of Run
}

func (c Config) complete() Config {
	c.Module = cmp.Or(c.Module, "web_farm")
	c.Archive = cmp.Or(c.Archive, c.Module+".safe")
	c.Rate = cmp.Or(c.Rate, 300)
	c.Connections = cmp.Or(c.Connections, 60)
	c.Calm = cmp.Or(c.Calm, 3*time.Second)
	if c.begin.IsZero() {
		c.begin = time.Now()
	}
	if len(c.Acts) == 0 {
		c.Acts = []string{"kill", "cut", "drain"}
	}
	if c.Load == nil {
		c.Load = load.Run
	}
	return c
}

// Play builds a lab, runs the demonstration in it and removes the lab, whatever
// happens.
func Play(ctx context.Context, o lab.Options, c Config) (result Result, err error) {
	c.begin = time.Now()
	s := &screen{out: c.Out, begin: c.begin}
	o.Progress = func(step string) { s.event("%s", step) }
	o.ClientAddresses = cmp.Or(o.ClientAddresses, 16)
	l, err := lab.Start(ctx, o)
	if err != nil {
		return Result{}, err
	}
	defer func() { err = errors.Join(err, l.Close()) }()
	return Run(ctx, l, c)
}

// director plays the acts.
type director struct {
	cfg    Config
	stage  Stage
	nodes  []string
	screen *screen
	watch  *watch

	title  string
	marks  map[string]string
	act    *act
	result Result
}

// Run plays the demonstration in a lab whose cluster is complete. It fails when
// the service does not come back; what else went wrong is in Result.Problems.
func Run(ctx context.Context, stage Stage, c Config) (Result, error) {
	c = c.complete()
	d := &director{cfg: c, stage: stage, watch: newWatch(), marks: map[string]string{},
		screen: &screen{out: c.Out, terminal: c.Terminal, begin: c.begin}}
	for _, n := range stage.Status().Nodes {
		d.nodes = append(d.nodes, n.Name)
	}
	if len(d.nodes) < 2 {
		return Result{}, fmt.Errorf("the demonstration needs two servers or more, not %d", len(d.nodes))
	}
	d.result = Result{Faults: []FaultResult{}, Problems: []string{}}
	if err := d.install(ctx); err != nil {
		return d.result, err
	}
	err := d.underLoad(ctx, d.play)
	d.screen.clear()
	if err == nil {
		fmt.Fprint(c.Out, d.result.Text())
	}
	return d.result, err
}

// underLoad calls play while the client makes load and somebody asks the cluster
// how it is.
func (d *director) underLoad(ctx context.Context, play func(context.Context) error) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	loaded, polled := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(loaded)
		_, err := d.cfg.Load(ctx, d.load(), func(r load.Report) {
			d.watch.sample(r)
			d.show()
		})
		if err == nil {
			err = context.Canceled
		}
		d.watch.update(func() { d.watch.ended = err })
	}()
	go func() {
		defer close(polled)
		d.poll(ctx)
	}()
	err := play(ctx)
	cancel()
	<-loaded
	<-polled
	return err
}

func (d *director) load() load.Config {
	c := load.Config{
		Target: netip.AddrPortFrom(netip.MustParseAddr(lab.SuggestedVIP), 80),
		Rate:   d.cfg.Rate, Connections: d.cfg.Connections, Interval: 200 * time.Millisecond, Doubles: true,
		Namespace: d.stage.ClientNamespace(),
	}
	for _, a := range d.stage.Status().Client.Addresses {
		if addr, err := netip.ParseAddr(a); err == nil {
			c.Sources = append(c.Sources, addr)
		}
	}
	return c
}
