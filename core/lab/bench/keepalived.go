package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/orchestrator-ha/orchestrator/core/lab"
	"github.com/orchestrator-ha/orchestrator/core/lab/load"
)

// keepalivedConfig has keepalived's defaults (advert_int 1): the node's priority,
// then the address.
const keepalivedConfig = `global_defs {
  router_id %[1]s
}
vrrp_instance web {
  state BACKUP
  interface eth0
  virtual_router_id 51
  priority %[2]d
  advert_int 1
  virtual_ipaddress {
    %[3]s/24 dev eth0
  }
}
`

// keepalived measures what clients notice of a cut cable when keepalived guards
// the address: the peer of outage.cut.
func keepalived(ctx context.Context, b *bench) (err error) {
	program, err := which("keepalived")
	if err != nil {
		b.add(Figure{ID: "keepalived.cut", Name: "outage of keepalived: cable cut", Unit: "ms", Skipped: err.Error()})
		return nil
	}
	r, err := b.build(ctx, 3, true)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, r.close()) }()
	end, err := r.startKeepalived(ctx, program)
	if err != nil {
		return err
	}
	defer end()
	f := Figure{ID: "keepalived.cut", Name: "outage of keepalived (Debian's, advert_int 1, one active node): cable cut", Unit: "ms"}
	for run := range min(5, b.runs) {
		took, err := r.cutMaster(ctx)
		if err != nil {
			return fmt.Errorf("run %d: %w", run+1, err)
		}
		b.say("cable cut: outage %.0f ms", took)
		f.Values = append(f.Values, took)
	}
	b.add(f)
	b.compare("outage.cut", Peer{Name: "keepalived", Values: f.Values})
	return nil
}

// compare gives a figure of this run a peer.
func (b *bench) compare(id string, p Peer) {
	for i := range b.doc.Figures {
		if b.doc.Figures[i].ID == id {
			b.doc.Figures[i].Peer = &p
			b.doc.Figures[i].judge()
		}
	}
}

// startNginx runs nginx on all nodes, without ours; end stops it.
func (r *rig) startNginx(ctx context.Context) (end func(), err error) {
	nginx, err := r.prepareNginx()
	if err != nil {
		return nil, err
	}
	inner, cancel := context.WithCancel(ctx)
	var all sync.WaitGroup
	for _, node := range r.nodes {
		all.Go(func() { r.until(inner, node, nginx, "-g", "daemon off;") })
	}
	return func() { cancel(); all.Wait() }, nil
}

// until runs a program on a node until ctx ends, and tells when it ends before.
func (r *rig) until(ctx context.Context, node string, argv ...string) {
	if _, err := r.on(ctx, node, argv...); err != nil && ctx.Err() == nil {
		r.b.say("%v", err)
	}
}

// startKeepalived runs nginx and keepalived on all nodes.
func (r *rig) startKeepalived(ctx context.Context, program string) (end func(), err error) {
	stopNginx, err := r.startNginx(ctx)
	if err != nil {
		return nil, err
	}
	inner, cancel := context.WithCancel(ctx)
	var all sync.WaitGroup
	end = func() { cancel(); all.Wait(); stopNginx() }
	for i, node := range r.nodes {
		dir, err := r.b.folder(filepath.Join("keepalived", node))
		if err != nil {
			end()
			return nil, err
		}
		conf := filepath.Join(dir, "keepalived.conf")
		if err := os.WriteFile(conf, fmt.Appendf(nil, keepalivedConfig, node, 150-i, lab.SuggestedVIP), 0o600); err != nil {
			end()
			return nil, fmt.Errorf("configure keepalived on %s: %w", node, err)
		}
		all.Go(func() {
			r.until(inner, node, program, "-n", "-l", "-P", "-f", conf, "-p", filepath.Join(dir, "k.pid"), "-r", filepath.Join(dir, "v.pid"))
		})
	}
	return end, nil
}

// cutMaster cuts the cable of the node that has the address.
func (r *rig) cutMaster(ctx context.Context) (float64, error) {
	c := startClient(ctx, r.load(newRate, 0))
	defer c.cancel()
	err := c.until(ctx, patience, "all is answered by one node", func(last, past load.Report) bool { return whole(last, past) && len(last.Shares(past)) > 0 })
	if err != nil {
		return 0, err
	}
	if err := rest(ctx, calm); err != nil {
		return 0, err
	}
	master := leader(c.now())
	at := c.clock()
	if err := r.fault(ctx, lab.Fault{Verb: lab.Cut, Nodes: []string{master}}); err != nil {
		return 0, err
	}
	if err := c.until(ctx, patience, "another node has the address", func(last, past load.Report) bool {
		return past.ElapsedMS > at+leaseGrace && whole(last, past) && leader(last, past) != master
	}); err != nil {
		return 0, err
	}
	back := c.clock()
	if err := r.fault(ctx, lab.Fault{Verb: lab.Heal, Nodes: []string{master}}); err != nil {
		return 0, err
	}
	// Heal has also started the daemon, which has nothing to do here.
	if err := r.fault(ctx, lab.Fault{Verb: lab.Kill, Nodes: []string{master}}); err != nil {
		return 0, err
	}
	// The former master takes the address back: it has the higher priority.
	if err := rest(ctx, 5*time.Second); err != nil {
		return 0, err
	}
	report, err := c.end()
	if err != nil {
		return 0, err
	}
	outage, _ := report.OutageMS(at-margin, back)
	return outage, nil
}

// leader is the node that answered most in the last second.
func leader(last, past load.Report) string {
	best, most := "", 0.0
	for node, share := range last.Shares(past) {
		if share > most {
			best, most = node, share
		}
	}
	return best
}
