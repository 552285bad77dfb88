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
)

// pgModule is a mirror of PostgreSQL without replication.
const pgModule = `<safe>
  <macro name="VIRTUAL_IP"/>
  <service mode="mirror" maxloop="100">
    <heart timeout="1s"/>
    <vip><interface_list><interface><real_interface><virtual_addr addr="%VIRTUAL_IP%"/></real_interface></interface></interface_list></vip>
    <user starttimeout="60s"/>
  </service>
</safe>
`

// pgKeepalived has the same done by keepalived's notify scripts. Who comes back stays in
// the background.
const pgKeepalived = `global_defs {
  router_id %[1]s
  script_user root
}
vrrp_instance pg {
  state BACKUP
  nopreempt
  interface eth0
  virtual_router_id 51
  priority %[2]d
  advert_int %[3]s
  virtual_ipaddress {
    %[4]s/24 dev eth0
  }
  notify_master "%[5]s start"
  notify_backup "%[5]s stop immediate"
  notify_fault "%[5]s stop immediate"
}
`

// pgGuard is what keeps PostgreSQL running on one of two nodes.
type pgGuard struct {
	r       *rig
	primary func(ctx context.Context) string             // the node that runs it; empty: nobody yet
	back    func(ctx context.Context, node string) error // a node that was dead takes part again
	end     func()
}

// pgMirror measures what a client of PostgreSQL notices when the machine that runs it
// dies, beside keepalived with notify scripts that do the same job: as it comes, and told
// to notice the loss in a second as we do.
func pgMirror(ctx context.Context, b *bench) error {
	name := "a PostgreSQL client's outage: the primary's machine dies"
	ours := Figure{ID: "pgmirror.kill", Name: name, Unit: "ms", Target: Target{BelowPeer: true}}
	lost := Figure{ID: "pgmirror.lost", Name: "rows acknowledged by PostgreSQL and lost in it", Target: always(0)}
	var err error
	if ours.Values, lost.Values, err = b.pgRuns(ctx, b.pgOurs); err != nil {
		return err
	}
	peers := []struct{ id, title, interval string }{{"pgmirror.kill", "keepalived, advert_int 1", "1"}, {"pgmirror.kill.tuned", "keepalived, advert_int 0.3", "0.3"}}
	program, missing := which("keepalived")
	for _, p := range peers {
		f := ours
		if f.ID = p.id; f.ID != ours.ID {
			f.Name += ", beside a keepalived that notices it as soon"
			f.Target = Target{}
		}
		b.add(f)
		if missing != nil {
			continue
		}
		values, _, err := b.pgRuns(ctx, func(ctx context.Context, pg *postgres) (*pgGuard, error) {
			return b.pgKept(ctx, pg, program, p.interval)
		})
		if err != nil {
			return err
		}
		b.compare(p.id, Peer{Name: p.title, Values: values})
	}
	b.add(lost)
	return nil
}

// pgRuns kills the machine of the primary again and again.
func (b *bench) pgRuns(ctx context.Context, guard func(context.Context, *postgres) (*pgGuard, error)) (outages, lost []float64, err error) {
	pg, err := newPostgres()
	if err != nil {
		return nil, nil, err
	}
	defer func() { err = errors.Join(err, pg.close()) }()
	g, err := guard(ctx, pg)
	if err != nil {
		return nil, nil, err
	}
	defer func() { g.end(); err = errors.Join(err, g.r.close()) }()
	if err := g.ready(ctx, pg, "create table if not exists rows (n int)"); err != nil {
		return nil, nil, err
	}
	for run := range min(5, b.runs) {
		outage, gone, err := g.kill(ctx, pg)
		if err != nil {
			return outages, lost, fmt.Errorf("run %d: %w", run+1, err)
		}
		b.say("the primary's machine dies: outage %.0f ms, %.0f acknowledged rows lost", outage, gone)
		outages, lost = append(outages, outage), append(lost, gone)
	}
	return outages, lost, nil
}

// ready waits until the server answers.
func (g *pgGuard) ready(ctx context.Context, pg *postgres, sql string) error {
	var last error
	err := g.r.await(ctx, time.Minute, "PostgreSQL answers", func() bool {
		one, cancel := context.WithTimeout(ctx, 2*time.Second)
		defer cancel()
		_, last = pg.query(one, g.r, sql)
		return last == nil
	})
	return errors.Join(err, last)
}

// kill has the machine that runs the server die, and come back when another does.
func (g *pgGuard) kill(ctx context.Context, pg *postgres) (outage, lost float64, err error) {
	if err := g.ready(ctx, pg, "truncate rows"); err != nil {
		return 0, 0, err
	}
	node := g.primary(ctx)
	if node == "" {
		return 0, 0, errors.New("nobody is the primary, and PostgreSQL answers")
	}
	c, err := g.r.pgClient(ctx)
	if err != nil {
		return 0, 0, err
	}
	defer func() { c.cancel(); c.done.Wait() }()
	if err := g.r.await(ctx, time.Minute, "rows are written", c.well); err != nil {
		return 0, 0, err
	}
	if err := g.r.dies(ctx, node); err != nil {
		return 0, 0, err
	}
	if err := rest(ctx, 2*pgTimeout); err != nil { // now it is not well any more
		return 0, 0, err
	}
	if err := g.r.await(ctx, time.Minute, "another node serves", c.well); err != nil {
		return 0, 0, err
	}
	outage, acknowledged, err := c.end()
	if err != nil {
		return 0, 0, err
	}
	if lost, err = pg.lost(ctx, g.r, acknowledged); err != nil {
		return 0, 0, err
	}
	return outage, lost, g.back(ctx, node)
}

// dies has a machine die. It takes its link with it, and does not go on answering ARP.
func (r *rig) dies(ctx context.Context, node string) error {
	return errors.Join(r.fault(ctx, lab.Fault{Verb: lab.Cut, Nodes: []string{node}}), r.fault(ctx, lab.Fault{Verb: lab.Kill, All: true, Nodes: []string{node}}))
}

// mirrorGuard is a mirror module that runs PostgreSQL.
func mirrorGuard(r *rig, module string) *pgGuard {
	return &pgGuard{
		r: r, end: func() {},
		primary: func(ctx context.Context) string { prim, _ := r.pair(ctx, module); return prim },
		back: func(ctx context.Context, node string) error {
			return errors.Join(r.fault(ctx, lab.Fault{Verb: lab.Heal, Nodes: []string{node}}), r.paired(ctx, module))
		},
	}
}

// pgOurs is a mirror.
func (b *bench) pgOurs(ctx context.Context, pg *postgres) (*pgGuard, error) {
	r, err := b.build(ctx, 2, false)
	if err != nil {
		return nil, err
	}
	g := mirrorGuard(r, "pg")
	dir, err := b.pgFolder(pg)
	if err == nil {
		_, err = r.on(ctx, r.nodes[0], "orchestrator", "module", "install", dir, "--set", "VIRTUAL_IP="+lab.SuggestedVIP)
	}
	if err == nil {
		_, err = r.on(ctx, r.nodes[0], "orchestrator", "start", "pg")
	}
	if err == nil {
		err = r.paired(ctx, "pg")
	}
	if err != nil {
		return nil, errors.Join(err, r.close())
	}
	return g, nil
}

// pgFolder is the module with the hooks that call the script.
func (b *bench) pgFolder(pg *postgres) (string, error) {
	return b.moduleFolder("pg", map[string]string{
		"conf/userconfig.xml": pgModule,
		"bin/start_prim":      "#!/bin/sh\nexec " + pg.script() + " start\n",
		"bin/stop_prim":       "#!/bin/sh\nmode=fast\n[ \"$1\" = force ] && mode=immediate\nexec " + pg.script() + " stop $mode\n",
	})
}

// pgKept is keepalived on both nodes.
func (b *bench) pgKept(ctx context.Context, pg *postgres, program, interval string) (*pgGuard, error) {
	r, err := b.build(ctx, 2, true)
	if err != nil {
		return nil, err
	}
	inner, cancel := context.WithCancel(ctx)
	var all sync.WaitGroup
	start := func(node string) error {
		dir, err := b.folder(filepath.Join("pgkeepalived", node))
		if err != nil {
			return err
		}
		conf, priority := filepath.Join(dir, "keepalived.conf"), map[string]int{r.nodes[0]: 150, r.nodes[1]: 149}[node]
		if err := os.WriteFile(conf, fmt.Appendf(nil, pgKeepalived, node, priority, interval, lab.SuggestedVIP, pg.script()), 0o600); err != nil {
			return fmt.Errorf("configure keepalived on %s: %w", node, err)
		}
		all.Go(func() { // it ends with the machine, too
			_, _ = r.on(inner, node, program, "-n", "-l", "-P", "-f", conf, "-p", filepath.Join(dir, "k.pid"), "-r", filepath.Join(dir, "v.pid"))
		})
		return nil
	}
	g := &pgGuard{r: r, end: func() { cancel(); all.Wait() }}
	g.primary = func(ctx context.Context) string {
		for _, node := range r.nodes {
			if out, err := r.on(ctx, node, "ip", "-4", "-o", "address", "show", "dev", "eth0", "to", lab.SuggestedVIP); err == nil && out != "" {
				return node
			}
		}
		return ""
	}
	g.back = func(ctx context.Context, node string) error {
		// What a dead machine had on its interface does not come back with it.
		_, err := r.on(ctx, node, "ip", "address", "flush", "dev", "eth0", "to", lab.SuggestedVIP)
		err = errors.Join(err, r.fault(ctx, lab.Fault{Verb: lab.Heal, Nodes: []string{node}}), r.fault(ctx, lab.Fault{Verb: lab.Kill, Nodes: []string{node}}))
		if err == nil {
			err = start(node)
		}
		return errors.Join(err, rest(ctx, 5*time.Second)) // it hears the other one
	}
	for _, node := range r.nodes {
		err = errors.Join(err, start(node))
	}
	if err != nil {
		g.end()
		return nil, errors.Join(err, r.close())
	}
	return g, nil
}
