package fs

import (
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// The stream of clients of SQLite is cut after any operation: the copy opens, is sound,
// and has each commit that was acknowledged by then.
func TestAnyPrefixOfSQLite(t *testing.T) {
	if _, err := exec.LookPath("sqlite3"); err != nil {
		t.Skip("sqlite3 is not installed")
	}
	for k, mode := range []string{"delete", "wal", "persist"} {
		t.Run(mode, func(t *testing.T) {
			p := newPairOf(t, Options{})
			p.run(`sqlite3 db "pragma journal_mode=` + mode + `; create table t(a integer primary key, b text); create index i on t(b);" >/dev/null`)
			x, before := p.record()
			var clients sync.WaitGroup
			for c := range 3 {
				clients.Go(func() {
					x.client(t, exec.Command("bash", "-c", `for i in $(seq 20); do a=$((i*10+$1))
						sqlite3 -cmd '.timeout 9000' "$0/db" "pragma journal_mode=$2; pragma synchronous=full; begin immediate; insert into t values($a, hex(randomblob(700))); delete from t where a % 7 = $1 and a < $a - 50 and a % 10 > 5; insert into t values(-$a, 'its other half'); commit" >/dev/null && echo $a; done`, p.m, fmt.Sprint(c), mode))
				})
			}
			clients.Wait()
			p.settled()
			x.cuts(t, before, rand.New(rand.NewPCG(uint64(k), 1)), cutsOr(120), func(cut int, dir string, promised []string) {
				out, err := exec.Command("sqlite3", dir+"/db", "pragma integrity_check; select 'halves', count(*) from t where a > 0 and -a not in (select a from t); select a from t").CombinedOutput()
				lines := strings.Fields(string(out))
				if err != nil || len(lines) < 2 || lines[0] != "ok" || lines[1] != "halves|0" {
					t.Fatalf("cut %d: %v: %s", cut, err, out)
				}
				holds(t, lines[2:], promised)
			})
		})
	}
}

// client runs one that prints what it was told.
func (x *tape) client(t *testing.T, cmd *exec.Cmd) {
	var problem strings.Builder
	cmd.Stderr = &problem
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err == nil {
		x.listen(out)
		err = cmd.Wait()
	}
	if err != nil {
		t.Errorf("%s: %v: %s", cmd, err, problem.String())
	}
}

// holds fails unless all that was promised is there.
func holds(t *testing.T, there, promised []string) {
	t.Helper()
	has := map[string]bool{}
	for _, a := range there {
		has[a] = true
	}
	for _, a := range promised {
		if !has[a] {
			t.Errorf("commit %s was acknowledged, and is not among the %d that are there", a, len(there))
		}
	}
}

// postgres runs PostgreSQL's programs as their user.
type postgres struct{ bin, run string }

func newPostgres(t *testing.T) postgres {
	t.Helper()
	found, _ := filepath.Glob("/usr/lib/postgresql/*/bin/initdb")
	if len(found) == 0 {
		t.Skip("postgresql is not installed")
	}
	run, err := os.MkdirTemp("", "pg") // short, as the path of a socket has to be
	must(t, err)
	t.Cleanup(func() { _ = os.RemoveAll(run) })
	must(t, exec.Command("chown", "postgres:", run).Run())
	return postgres{filepath.Dir(found[len(found)-1]), run}
}

func (g postgres) command(name string, args ...string) *exec.Cmd {
	argv := append([]string{"--reuid=postgres", "--regid=postgres", "--init-groups", "env", "LC_ALL=C", filepath.Join(g.bin, name)}, args...)
	cmd := exec.Command("setpriv", argv...)
	cmd.Dir = g.run
	return cmd
}

func (g postgres) do(t *testing.T, name string, args ...string) {
	t.Helper()
	if out, err := g.command(name, args...).CombinedOutput(); err != nil {
		t.Fatalf("%s %s: %v: %s", name, args, err, out)
	}
}

// psql is a client that gets its statements from a text.
func (g postgres) psql(text string) *exec.Cmd {
	cmd := g.command("psql", "--host", g.run, "--no-psqlrc", "--quiet", "--no-align", "--tuples-only", "--set", "ON_ERROR_STOP=1", "postgres")
	cmd.Stdin = strings.NewReader(text)
	return cmd
}

// transfers are transactions that move money, and answer their number.
func transfers(rng *rand.Rand, from, n int) string {
	var b strings.Builder
	for i := range n {
		a, k := rng.IntN(40), 1+rng.IntN(9)
		fmt.Fprintf(&b, "with x as (update accounts set balance = balance - %[1]d, note = repeat(md5('%[1]d'), 20) where a = %[2]d), y as (update accounts set balance = balance + %[1]d where a = %[3]d) insert into sums values (%[1]d) returning i;\n", from+i, a, a+k)
	}
	return b.String()
}

// housekeeping makes, renames and removes files under the transactions.
const housekeeping = `
create table extra as select i, md5(i::text) as m from generate_series(1, 3000) i; create index on extra (m);
vacuum accounts; checkpoint;
vacuum full accounts; reindex table sums;
drop table extra; checkpoint;
create table extra as select i, md5(i::text) as m from generate_series(1, 3000) i;
truncate extra; vacuum analyze; select pg_switch_wal() is null where false; checkpoint;
`

// sound asks a server for all that a copy has to hold.
const sound = `select sum(balance) as balances from accounts
select string_agg(i::text, ' ') as commits from sums
select count(*) as corrupt from pg_class c, verify_heapam(c.oid) where c.relkind in ('r', 't', 'm') and c.relpersistence = 'p'
select count(bt_index_check(c.oid, c.relname = 'sums_pkey')::text) > 100 as indexes from pg_class c join pg_index x on x.indexrelid = c.oid and x.indisvalid and x.indisready join pg_am m on m.oid = c.relam and m.amname = 'btree' where c.relpersistence = 'p'
`

// The stream of clients of PostgreSQL is cut after any operation: on the copy the server
// recovers, tables and indexes are sound, no transaction is there in part, and
// each one that was acknowledged by then is there.
func TestAnyPrefixOfPostgreSQL(t *testing.T) {
	g := newPostgres(t)
	p := newPairOf(t, Options{})
	for dir := filepath.Dir(p.a); dir != os.TempDir() && dir != "/"; dir = filepath.Dir(dir) {
		must(t, os.Chmod(dir, 0o755))
	}
	must(t, exec.Command("chown", "postgres:", p.m).Run())
	data := p.m + "/data"
	g.do(t, "initdb", "--pgdata", data, "--auth=trust", "--data-checksums", "--wal-segsize=1", "--no-sync", "--encoding=UTF8", "--locale=C")
	g.do(t, "pg_ctl", "start", "--wait", "--pgdata", data, "--log", g.run+"/log", "--options",
		"-k "+g.run+" -c listen_addresses= -c shared_buffers=1MB -c max_wal_size=3MB -c min_wal_size=2MB -c autovacuum_naptime=1s -c wal_writer_delay=10ms")
	stopped := false
	stop := func() {
		if !stopped {
			stopped = true
			g.do(t, "pg_ctl", "stop", "--wait", "--mode=fast", "--pgdata", data)
		}
	}
	defer stop()
	if out, err := g.psql("create extension amcheck; create table sums (i bigint primary key); create table accounts (a int primary key, balance bigint not null, note text); insert into accounts select a, 0, repeat('-', 500) from generate_series(0, 99) a;").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	x, before := p.record()
	var clients sync.WaitGroup
	for c := range 3 {
		rng := rand.New(rand.NewPCG(uint64(c), 7))
		clients.Go(func() { x.client(t, g.psql(transfers(rng, (c+1)*1000, 150))) })
	}
	clients.Go(func() {
		if out, err := g.psql(housekeeping).CombinedOutput(); err != nil {
			t.Errorf("housekeeping: %v: %s", err, out)
		}
	})
	clients.Wait()
	stop()
	p.settled()
	if len(x.told) != 450 {
		t.Fatalf("%d commits were acknowledged, not 450", len(x.told))
	}
	x.cuts(t, before, rand.New(rand.NewPCG(9, 1)), cutsOr(20), func(cut int, dir string, promised []string) {
		_ = os.Remove(dir + "/data/postmaster.pid")
		cmd := g.command("postgres", "--single", "-F", "-D", dir+"/data", "-c", "shared_buffers=4MB", "postgres")
		cmd.Stdin = strings.NewReader(sound)
		out, err := cmd.CombinedOutput()
		text := string(out)
		for _, want := range []string{`balances = "0"`, `corrupt = "0"`, `indexes = "t"`} {
			if !strings.Contains(text, want) {
				t.Errorf("cut %d: no %s", cut, want)
			}
		}
		if err != nil || t.Failed() || strings.Contains(text, "ERROR:") || strings.Contains(text, "PANIC:") || strings.Contains(text, "FATAL:") {
			t.Fatalf("cut %d: %v: %s", cut, err, text)
		}
		_, commits, _ := strings.Cut(text, `commits = "`)
		commits, _, _ = strings.Cut(commits, `"`)
		holds(t, strings.Fields(commits), promised)
	})
}
