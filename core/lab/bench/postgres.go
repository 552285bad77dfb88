package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/orchestrator-ha/orchestrator/core/lab"
)

// postgres is a server of Debian's PostgreSQL whose data both nodes of a lab see, as if
// it lay on a disk that both have. Whoever has the address runs it.
type postgres struct {
	bin  string // folder of its programs
	data string
	psql string
}

// pgProgram is a script that starts or stops the server, whoever calls it. A killed
// server leaves its lock behind, and the next one recovers from its log. What is stopped is a
// server of the same node only: all see the same lock.
const pgProgram = `#!/bin/sh
if [ "$1" = start ]; then
  exec runuser -u postgres -- %[1]s/pg_ctl -D %[2]s -w -s -t 30 -l %[2]s/server.log start
fi
pid=$(head -n 1 %[2]s/postmaster.pid 2>/dev/null) || exit 0
[ "$(readlink /proc/$pid/ns/net)" = "$(readlink /proc/self/ns/net)" ] || exit 0
runuser -u postgres -- %[1]s/pg_ctl -D %[2]s -w -s -t 30 -m "$2" stop
exit 0
`

// newPostgres makes an empty database.
func newPostgres() (*postgres, error) {
	psql, err := which("psql")
	if err != nil {
		return nil, errors.New("PostgreSQL is not installed: apt-get install postgresql")
	}
	found, err := filepath.Glob("/usr/lib/postgresql/*/bin/initdb")
	account, unknown := user.Lookup("postgres")
	if err != nil || len(found) == 0 || unknown != nil {
		return nil, errors.New("PostgreSQL is not installed: apt-get install postgresql")
	}
	dir, err := os.MkdirTemp("", "orch-pg")
	if err != nil {
		return nil, fmt.Errorf("make a folder for PostgreSQL: %w", err)
	}
	p := &postgres{bin: filepath.Dir(slices.Max(found)), data: filepath.Join(dir, "data"), psql: psql}
	if err := p.prepare(dir, account); err != nil {
		return nil, errors.Join(err, p.close())
	}
	return p, nil
}

func (p *postgres) prepare(dir string, account *user.User) error {
	uid, err := strconv.Atoi(account.Uid)
	if err != nil {
		return fmt.Errorf("read the number of user postgres: %w", err)
	}
	gid, err := strconv.Atoi(account.Gid)
	if err != nil {
		return fmt.Errorf("read the group of user postgres: %w", err)
	}
	if err := os.Chown(dir, uid, gid); err != nil {
		return fmt.Errorf("give the folder to user postgres: %w", err)
	}
	out, err := exec.Command("runuser", "-u", "postgres", "--", p.bin+"/initdb", "-D", p.data, "-A", "trust", "-N").CombinedOutput()
	if err != nil {
		return fmt.Errorf("make a database: %w: %s", err, bytes.TrimSpace(out))
	}
	for file, text := range map[string]string{
		"postgresql.conf": "listen_addresses = '*'\nunix_socket_directories = ''\n",
		"pg_hba.conf":     "host all,replication all 10.77.0.0/24 trust\n",
	} {
		f, err := os.OpenFile(filepath.Join(p.data, file), os.O_APPEND|os.O_WRONLY, 0)
		if err == nil {
			_, err = f.WriteString(text)
			err = errors.Join(err, f.Close())
		}
		if err != nil {
			return fmt.Errorf("configure PostgreSQL: %w", err)
		}
	}
	return os.WriteFile(p.script(), fmt.Appendf(nil, pgProgram, p.bin, p.data), 0o755)
}

func (p *postgres) script() string { return filepath.Join(filepath.Dir(p.data), "server") }

func (p *postgres) close() error { return os.RemoveAll(filepath.Dir(p.data)) }

// query asks the server at the virtual address, from the client.
func (p *postgres) query(ctx context.Context, r *rig, sql string) (string, error) {
	return p.ask(ctx, r, "host="+lab.SuggestedVIP, sql)
}

// ask asks any server, from the client.
func (p *postgres) ask(ctx context.Context, r *rig, server, sql string) (string, error) {
	return r.on(ctx, lab.Client, p.psql, server+" user=postgres dbname=postgres connect_timeout=2", "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-c", sql)
}

// lost counts rows that were acknowledged and are not there.
func (p *postgres) lost(ctx context.Context, r *rig, acknowledged []int) (float64, error) {
	out, err := p.query(ctx, r, "select n from rows")
	if err != nil {
		return 0, err
	}
	there := map[string]bool{}
	for _, n := range strings.Fields(out) {
		there[n] = true
	}
	lost := 0.0
	for _, n := range acknowledged {
		if !there[strconv.Itoa(n)] {
			lost++
		}
	}
	return lost, nil
}
