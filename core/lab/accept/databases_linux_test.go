package accept_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/orchestrator-ha/orchestrator/core/lab"
)

// What Debian's packages of the databases make on a server, once, in folders of the test.
const installed = `set -e
mkdir -p "$1/lib/postgresql" "$1/lib/mysql" "$1/etc" "$1/run/postgresql" "$1/log/postgresql" "$1/log/mysql"
chown -R postgres:postgres "$1/lib/postgresql" "$1/run/postgresql" "$1/log/postgresql"
chown -R mysql:mysql "$1/lib/mysql" "$1/log/mysql"
chmod 755 "$1" "$1"/*
for d in lib run log; do mount --bind "$1/$d" "/$([ $d = run ] || echo var/)$d"; done
mount --bind "$1/etc" /etc/postgresql
pg_createcluster "$(ls /usr/lib/postgresql | sort -n | tail -1)" main >/dev/null
mariadb-install-db --user=mysql --datadir=/var/lib/mysql --skip-test-db --auth-root-authentication-method=normal >/dev/null
`

// databaseMounts let a node see such folders of its own. Without /run no systemd is found, which
// nodes do not have.
const databaseMounts = `for d in lib run log; do mount --bind "$disk/$d" "/$([ $d = run ] || echo var/)$d"; done
		mount --bind "$disk/etc" /etc/postgresql`

// database is one that a shipped module runs.
type database struct {
	module string
	server string   // is in the command line of its server
	admin  []string // runs SQL on the primary's server, after it
	client []string // runs SQL from a client, after it
}

var databases = []database{
	{
		"postgresql", "/bin/postgres -D",
		[]string{"setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups", "psql", "--host=/run/postgresql", "--quiet", "--no-align", "--tuples-only", "--command"},
		[]string{"env", "PGPASSWORD=secret", "PGCONNECT_TIMEOUT=2", "psql", "--host=" + lab.SuggestedVIP, "--user=app", "--dbname=postgres", "--quiet", "--no-align", "--tuples-only", "--command"},
	},
	{
		"mariadb", "mariadbd",
		[]string{"mariadb", "--socket=/run/mysqld/mysqld.sock", "--user=root", "--skip-column-names", "--batch", "--execute"},
		[]string{"mariadb", "--host=" + lab.SuggestedVIP, "--user=app", "--password=secret", "--connect-timeout=2", "--skip-column-names", "--batch", "app", "--execute"},
	},
}

var founding = map[string][]string{
	"postgresql": {"create role app login password 'secret'", "create table sums (i bigint primary key)", "grant all on sums to app"},
	"mariadb":    {"create database app", "create user app@'%' identified by 'secret'", "grant all on app.* to app@'%'", "create table app.sums (i bigint primary key)"},
}

// The shipped modules run the databases as Debian packages them, with nothing set but the
// address: what a client was told is committed survives the loss of the primary.
func TestDatabases(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("a lab needs root: it makes network namespaces and attaches packet filters")
	}
	template := databaseDisk(t)
	for _, d := range databases {
		t.Run(d.module, func(t *testing.T) { d.survives(t, template) })
	}
}

// databaseDisk makes the folders of a server on which the databases were just installed.
func databaseDisk(t *testing.T) string {
	t.Helper()
	template := filepath.Join(t.TempDir(), "disk")
	if out, err := exec.CommandContext(t.Context(), "unshare", "--mount", "--propagation", "private", "sh", "-c", installed, "sh", template).CombinedOutput(); err != nil {
		t.Fatalf("make the databases: %v\n%s", err, out)
	}
	return template
}

// serves makes a lab of two servers that run the database; makeDisk makes each one's $disk.
func (d database) serves(t *testing.T, name, makeDisk string, set ...string) *stage {
	t.Helper()
	wrapper := withDisk(t, makeDisk, databaseMounts)
	s := build(t, name, d.module, func(o *lab.Options) { o.Nodes, o.Program = 2, wrapper })
	s.do(t, "n1", append([]string{"module", "install", d.module + ".safe", "--set", "VIRTUAL_IP=" + lab.SuggestedVIP}, set...)...)
	return s
}

func (d database) survives(t *testing.T, template string) {
	s := d.serves(t, "acc"+d.module[:4], "cp -a "+template+` "$disk"`)
	s.do(t, "n1", "prim", s.module, "--node", "n1")
	s.roles(t, "n1", "n1", "ALONE")
	for _, text := range founding[d.module] {
		s.on(t, "n1", append(d.admin, text)...)
	}
	s.do(t, "n2", "start", s.module, "--node", "n2")
	s.roles(t, "n1", "n1", "PRIM", "n2", "SECOND")

	told := filepath.Join(s.root, "told")
	stop := s.commits(t, d, told)
	eventually(t, "a client commits", func() string { return atLeast(told, 20) })
	s.fault(t, lab.Kill, true, "n1")
	s.roles(t, "n2", "n2", "ALONE")
	before := number(t, told)
	eventually(t, "a client commits on the other server", func() string { return atLeast(told, before+20) })
	stop()
	s.keeps(t, d, told)

	s.fault(t, lab.Heal, false, "n1")
	s.roles(t, "n2", "n1", "SECOND", "n2", "PRIM")
	stop = s.commits(t, d, told)
	before = number(t, told)
	eventually(t, "a client commits while both are there", func() string { return atLeast(told, before+5) })
	s.do(t, "n2", "swap", s.module)
	s.roles(t, "n1", "n1", "PRIM", "n2", "SECOND")
	before = number(t, told)
	eventually(t, "a client commits after the swap", func() string { return atLeast(told, before+20) })

	// Only the daemon dies: the server does not outlive it.
	s.fault(t, lab.Kill, false, "n1")
	eventually(t, "the server that the daemon left has ended", func() string {
		if left := s.processesOf(t, "n1", d.server); len(left) > 0 {
			return fmt.Sprintf("processes %v", left)
		}
		return ""
	})
	s.roles(t, "n2", "n2", "ALONE")
	before = number(t, told)
	eventually(t, "a client commits where the daemon lives", func() string { return atLeast(told, before+5) })
	s.fault(t, lab.Heal, false, "n1")
	s.roles(t, "n2", "n1", "SECOND", "n2", "PRIM")
	stop()
	s.keeps(t, d, told)
	s.verified(t, "n2")
	s.do(t, "n1", "stop", s.module)
}

// on runs a program on a node as its daemon sees the disks.
func (s *stage) on(t *testing.T, node string, argv ...string) string {
	t.Helper()
	pid := strings.Split(s.inside(t, node, ""), "/")[2]
	return s.must(t, node, append([]string{"nsenter", "--mount", "--target", pid}, argv...)...)
}

// commits lets a client commit one number after the other and note in a file each that it
// was told is committed, until the function is called.
func (s *stage) commits(t *testing.T, d database, told string) (stop func()) {
	t.Helper()
	const script = `i=$(tail -n 1 "$0" 2>/dev/null || echo 1000)
while :; do
	i=$((i + 1))
	"$@" "insert into sums values ($i)" 2>/dev/null && echo $i >>"$0"
done
`
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	argv := append([]string{"/bin/sh", "-c", script, told}, d.client...)
	go func() {
		defer close(done)
		_ = lab.Exec(ctx, s.root, s.name, lab.Client, argv, lab.Stdio{}) // it is ended by force
	}()
	stop = func() { cancel(); <-done }
	t.Cleanup(stop)
	return stop
}

// keeps fails unless all is there that the client was told is committed.
func (s *stage) keeps(t *testing.T, d database, told string) {
	t.Helper()
	raw, err := os.ReadFile(told)
	if err != nil {
		t.Fatal(err)
	}
	has := map[string]bool{}
	for i := range strings.FieldsSeq(s.must(t, lab.Client, append(d.client, "select i from sums")...)) {
		has[i] = true
	}
	for i := range strings.FieldsSeq(string(raw)) {
		if !has[i] {
			t.Errorf("%s was told to be committed, and is not among the %d that are there", i, len(has))
		}
	}
}

// atLeast says what a file of numbers lacks.
func atLeast(path string, want int) string {
	raw, err := os.ReadFile(path)
	lines := strings.Fields(string(raw))
	if want < 1000 { // so many lines
		if len(lines) < want {
			return fmt.Sprintf("%d commits, %v", len(lines), err)
		}
		return ""
	}
	if n, _ := strconv.Atoi(lines[len(lines)-1]); n < want {
		return fmt.Sprintf("the last commit is %d, not %d yet", n, want)
	}
	return ""
}
