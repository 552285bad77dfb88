package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"time"

	"github.com/orchestrator-ha/orchestrator/core/lab"
)

// pgInstalled is what Debian's package makes on a server, in folders of the benchmark,
// with access for the lab.
const pgInstalled = `set -e
mkdir -p "$1/lib/postgresql" "$1/etc" "$1/run/postgresql" "$1/log/postgresql"
chown -R postgres:postgres "$1/lib/postgresql" "$1/run/postgresql" "$1/log/postgresql"
chmod 755 "$1" "$1"/*
for d in lib run log; do mount --bind "$1/$d" "/$([ $d = run ] || echo var/)$d"; done
mount --bind "$1/etc" /etc/postgresql
pg_createcluster "$(ls /usr/lib/postgresql | sort -n | tail -1)" main >/dev/null
echo 'host all all 10.77.0.0/24 trust' >>"$(echo /etc/postgresql/*/main/pg_hba.conf)"
`

var pgBinds = []bind{{"lib", "/var/lib"}, {"run", "/run"}, {"log", "/var/log"}, {"etc", "/etc/postgresql"}}

// pgbench's run: short, since what is compared runs in turn.
const (
	pgbenchClients = 4
	pgbenchScale   = "5"
	pgbenchSpan    = 8 * time.Second
	apartSpan      = 30 * time.Second
)

// Where the servers listen that are not the mirror's.
const (
	plainServer = "host=10.77.0.1 port=5433"
	syncServer  = "host=10.77.0.1 port=5434"
	ourServer   = "host=" + lab.SuggestedVIP + " port=5432"
)

// mirrorDB measures PostgreSQL in a replicated folder: what a transaction takes, beside a
// plain folder and PostgreSQL's own synchronous replication; the loss of the primary; and
// what a server gets that was away.
func mirrorDB(ctx context.Context, b *bench) (err error) {
	if _, err := which("pg_createcluster"); err != nil {
		b.add(Figure{ID: "mirrordb", Name: "PostgreSQL in a replicated folder", Skipped: "PostgreSQL is not installed: apt-get install postgresql"})
		return nil
	}
	dir, err := b.folder("mirrordb")
	if err != nil {
		return err
	}
	template := filepath.Join(dir, "disk")
	if out, err := exec.CommandContext(ctx, "unshare", "--mount", "--propagation", "private", "sh", "-c", pgInstalled, "sh", template).CombinedOutput(); err != nil {
		return fmt.Errorf("make a database: %w: %s", err, bytes.TrimSpace(out))
	}
	r, err := b.mirrored(ctx, template, pgBinds, "postgresql.safe", "VIRTUAL_IP="+lab.SuggestedVIP)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, r.close()) }()
	pg, err := newPostgres()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, pg.close()) }()
	if err := b.transactions(ctx, r, pg); err != nil {
		return err
	}
	if err := b.returns(ctx, r, pg); err != nil {
		return err
	}
	return b.failovers(ctx, r, pg)
}

// transactions compares the three ways to keep a database.
func (b *bench) transactions(ctx context.Context, r *rig, plain *postgres) (err error) {
	replicated, err := newPostgres()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, replicated.close()) }()
	end, err := r.beside(ctx, plain, replicated)
	defer func() { err = errors.Join(err, end()) }()
	if err != nil {
		return err
	}
	if _, err := r.pgbench(ctx, ourServer, "--initialize", "--quiet", "--scale", pgbenchScale); err != nil {
		return err
	}
	servers := []string{plainServer, ourServer, syncServer}
	for _, server := range servers { // so that all write their checkpoints at the same time
		if _, err := plain.ask(ctx, r, server, "checkpoint"); err != nil {
			return err
		}
	}
	times := map[string][]float64{}
	for round := range 1 + min(5, b.runs) {
		for _, server := range servers {
			took, err := r.transaction(ctx, server, pgbenchSpan)
			if err != nil {
				return err
			}
			b.say("%s: %s ms", server, short(took))
			if round > 0 { // the first warms up
				times[server] = append(times[server], took)
			}
		}
	}
	const name = "a transaction of pgbench, 4 clients, in a replicated folder, beside "
	b.add(Figure{ID: "mirrordb.plain", Name: name + "a plain folder", Unit: "ms", Target: against(0.6), Values: times[ourServer],
		Peer: &Peer{Name: "plain folder", Values: times[plainServer]}})
	b.add(Figure{ID: "mirrordb.sync", Name: name + "PostgreSQL's synchronous replication", Unit: "ms", Target: against(0.9), Values: times[ourServer],
		Peer: &Peer{Name: "synchronous_commit=on", Values: times[syncServer]}})
	return nil
}

// beside starts the servers that ours is compared with: one by itself, and one with a
// standby on the other node whose disk has what is acknowledged.
func (r *rig) beside(ctx context.Context, plain, replicated *postgres) (end func() error, err error) {
	standby := &postgres{bin: plain.bin, data: filepath.Join(filepath.Dir(replicated.data), "standby")}
	var stops []func() error
	end = func() (err error) {
		for _, stop := range stops {
			err = errors.Join(err, stop())
		}
		return err
	}
	start := func(p *postgres, node, port string) error {
		if err := p.control(ctx, r, node, port, "start", "-l", p.data+"/server.log"); err != nil {
			return err
		}
		stops = append(stops, func() error {
			return p.control(context.WithoutCancel(ctx), r, node, port, "stop", "-m", "immediate")
		})
		return nil
	}
	for server, p := range map[string]*postgres{plainServer: plain, syncServer: replicated} {
		if err := start(p, r.nodes[0], server[len(server)-4:]); err != nil {
			return end, err
		}
		if _, err := r.pgbench(ctx, server, "--initialize", "--quiet", "--scale", pgbenchScale); err != nil {
			return end, err
		}
	}
	if _, err := r.on(ctx, r.nodes[1], "runuser", "-u", "postgres", "--", plain.bin+"/pg_basebackup", "-D", standby.data, "-R", "-c", "fast", "-d", syncServer+" user=postgres"); err != nil {
		return end, err
	}
	if err := start(standby, r.nodes[1], "5434"); err != nil {
		return end, err
	}
	for _, sql := range []string{"alter system set synchronous_standby_names = '*'", "select pg_reload_conf()"} {
		if _, err := plain.ask(ctx, r, syncServer, sql); err != nil {
			return end, err
		}
	}
	return end, r.await(ctx, time.Minute, "the standby is synchronous", func() bool {
		out, err := plain.ask(ctx, r, syncServer, "select 1 from pg_stat_replication where sync_state in ('sync', 'quorum')")
		return err == nil && out != ""
	})
}

// control starts or stops a server on a node.
func (p *postgres) control(ctx context.Context, r *rig, node, port string, verb ...string) error {
	argv := []string{"env", "PGPORT=" + port, "runuser", "-u", "postgres", "--", p.bin + "/pg_ctl", "-D", p.data, "-w", "-s", "-t", "60"}
	_, err := r.on(ctx, node, append(argv, verb...)...)
	return err
}

// pgbench runs on the client.
func (r *rig) pgbench(ctx context.Context, server string, more ...string) (string, error) {
	return r.on(ctx, lab.Client, append(append([]string{"pgbench"}, more...), server+" user=postgres dbname=postgres sslmode=disable")...)
}

var tps = regexp.MustCompile(`(?m)^tps = ([0-9.]+)`)

// transaction is the mean time of one, in ms.
func (r *rig) transaction(ctx context.Context, server string, span time.Duration) (float64, error) {
	out, err := r.pgbench(ctx, server, "--no-vacuum", "--client", strconv.Itoa(pgbenchClients), "--jobs", "2", "--time", strconv.Itoa(int(span.Seconds())))
	if err != nil {
		return 0, err
	}
	found := tps.FindStringSubmatch(out)
	if found == nil {
		return 0, fmt.Errorf("pgbench tells no transactions: %s", out)
	}
	rate, err := strconv.ParseFloat(found[1], 64)
	if err != nil || rate <= 0 {
		return 0, fmt.Errorf("pgbench tells %q transactions a second", found[1])
	}
	return pgbenchClients * 1000 / rate, nil
}

// failovers kills the machine of the primary.
func (b *bench) failovers(ctx context.Context, r *rig, pg *postgres) error {
	g := mirrorGuard(r, "postgresql")
	if err := g.ready(ctx, pg, "create table if not exists rows (n int)"); err != nil {
		return err
	}
	outage := Figure{ID: "mirrordb.kill", Name: "PostgreSQL in a replicated folder: the primary's machine dies, until a client commits again", Unit: "ms", Target: always(3000)}
	lost := Figure{ID: "mirrordb.lost", Name: "rows acknowledged and lost in it", Target: always(0)}
	for run := range min(5, b.runs) {
		took, gone, err := g.kill(ctx, pg)
		if err != nil {
			return fmt.Errorf("run %d: %w", run+1, err)
		}
		b.say("the primary's machine dies: outage %.0f ms, %.0f acknowledged rows lost", took, gone)
		outage.Values, lost.Values = append(outage.Values, took), append(lost.Values, gone)
	}
	b.add(outage)
	b.add(lost)
	return nil
}
