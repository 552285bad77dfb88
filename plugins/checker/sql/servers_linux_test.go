package sql

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/orchestrator-ha/orchestrator/sdk"
)

// secret is the password, which nothing may repeat.
const secret = "hush & hush'9"

// server is a real one.
type server struct {
	settings set // that are right
	cmd      *exec.Cmd
	log      string
}

// with is what most cases of a server share, and more.
func (s server) with(more set) set {
	all := maps.Clone(s.settings)
	maps.Copy(all, more)
	return all
}

// program finds one that Debian may not have in PATH.
func program(t *testing.T, name string, elsewhere ...string) string {
	t.Helper()
	if path, err := exec.LookPath(name); err == nil {
		return path
	}
	for _, pattern := range elsewhere {
		if found, _ := filepath.Glob(pattern); len(found) > 0 {
			return found[len(found)-1]
		}
	}
	t.Skipf("%s is not installed; make deps installs it", name)
	return ""
}

// as runs a program as a user, if this is root: PostgreSQL refuses to run as root.
func as(t *testing.T, name string, cmd *exec.Cmd) *syscall.Credential {
	t.Helper()
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if os.Geteuid() != 0 {
		return nil
	}
	u, err := user.Lookup(name)
	if err != nil {
		t.Skipf("there is no user %s: %v", name, err)
	}
	uid, _ := strconv.Atoi(u.Uid)
	gid, _ := strconv.Atoi(u.Gid)
	cmd.SysProcAttr.Credential = &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
	return cmd.SysProcAttr.Credential
}

// start runs a server until the test ends, and waits until a check is content.
func (s *server) start(t *testing.T) {
	t.Helper()
	out, err := os.Create(s.log)
	if err != nil {
		t.Fatal(err)
	}
	s.cmd.Stdout, s.cmd.Stderr = out, out
	if err := s.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	_ = out.Close()
	t.Cleanup(func() {
		_ = s.cmd.Process.Signal(syscall.SIGCONT)
		_ = s.cmd.Process.Kill()
		_ = s.cmd.Wait() // killed on purpose
	})
}

// until waits for a result.
func until(t *testing.T, s *server, settings set, want sdk.Status) sdk.Result {
	t.Helper()
	var r sdk.Result
	for end := time.Now().Add(60 * time.Second); time.Now().Before(end); {
		if r = check(t, settings); r.Status == want {
			return r
		}
	}
	text, _ := os.ReadFile(s.log)
	t.Fatalf("still %+v, want %s; the server says:\n%s", r, want, text)
	return r
}

// shortDir is a folder whose path leaves room for a socket's name.
func shortDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "sql")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}

func postgresServer(t *testing.T) *server {
	t.Helper()
	initdb := program(t, "initdb", "/usr/lib/postgresql/*/bin/initdb")
	daemon := program(t, "postgres", "/usr/lib/postgresql/*/bin/postgres")
	dir, port := shortDir(t), closed(t)
	data := filepath.Join(dir, "data")
	cmd := exec.Command(initdb, "-D", data, "-U", "postgres", "--auth-local=trust", "--auth-host=scram-sha-256", "--no-sync", "-E", "UTF8", "--locale=C")
	if c := as(t, "postgres", cmd); c != nil {
		if err := os.Chown(dir, int(c.Uid), int(c.Gid)); err != nil {
			t.Fatal(err)
		}
	}
	cmd.Dir = "/"
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("initdb: %v\n%s", err, out)
	}
	s := &server{
		log: filepath.Join(dir, "log"), settings: set{"driver": "postgres", "port": port, "user": "monitor", "database": "postgres", "password_file": passwordFile(t, secret+"\n"), "timeout": "20s"},
		cmd: exec.Command(daemon, "-D", data, "-p", strconv.Itoa(port), "-k", dir, "-c", "listen_addresses=127.0.0.1", "-c", "fsync=off"),
	}
	as(t, "postgres", s.cmd)
	s.cmd.Dir = "/"
	s.start(t)
	local := set{"driver": "postgres", "socket": dir, "port": port, "user": "postgres", "database": "postgres"}
	until(t, s, local, sdk.StatusUp)
	execute(t, settings{Driver: "postgres", Socket: dir, Port: uint16(port), User: "postgres", Database: "postgres", TLS: "off"},
		"CREATE ROLE monitor LOGIN PASSWORD '"+strings.ReplaceAll(secret, "'", "''")+"'", "CREATE TABLE hidden (a int)")
	return s
}

// execute runs statements as the server's administrator.
func execute(t *testing.T, s settings, statements ...string) {
	t.Helper()
	connector, err := drivers[s.Driver].connector(t.Context(), s, "")
	if err != nil {
		t.Fatal(err)
	}
	db := sql.OpenDB(connector)
	defer db.Close() //nolint:errcheck // it was used
	ctx, cancel := context.WithTimeout(t.Context(), 60*time.Second)
	defer cancel()
	for _, statement := range statements {
		if _, err := db.ExecContext(ctx, statement); err != nil {
			t.Fatal(err)
		}
	}
}

func mariaServer(t *testing.T) *server {
	t.Helper()
	daemon := program(t, "mariadbd", "/usr/sbin/mariadbd")
	dir, port := shortDir(t), closed(t)
	data := filepath.Join(dir, "data")
	if err := os.Mkdir(data, 0o700); err != nil {
		t.Fatal(err)
	}
	flags := []string{"--no-defaults", "--datadir=" + data}
	if os.Geteuid() == 0 {
		flags = append(flags, "--user=root")
	}
	first := exec.Command(daemon, append(flags, "--bootstrap")...)
	tables := []io.Reader{strings.NewReader("CREATE DATABASE mysql;\nUSE mysql;\nSET @auth_root_socket=NULL;\n")}
	for _, name := range []string{"mysql_system_tables.sql", "mysql_system_tables_data.sql"} {
		f, err := os.Open("/usr/share/mysql/" + name)
		if err != nil {
			t.Skipf("MariaDB is not installed as Debian does: %v", err)
		}
		defer f.Close() //nolint:errcheck // it was read
		tables = append(tables, f)
	}
	first.Stdin = io.MultiReader(tables...)
	if out, err := first.CombinedOutput(); err != nil {
		t.Fatalf("make the data of MariaDB: %v\n%s", err, out)
	}
	begin := filepath.Join(dir, "init.sql")
	statements := "CREATE DATABASE shop;\nCREATE USER 'monitor'@'%' IDENTIFIED BY '" + strings.ReplaceAll(secret, "'", "''") + "';\nCREATE TABLE shop.hidden (a int);\n"
	if err := os.WriteFile(begin, []byte(statements), 0o600); err != nil {
		t.Fatal(err)
	}
	s := &server{
		log: filepath.Join(dir, "log"), settings: set{"driver": "mysql", "port": port, "user": "monitor", "password_file": passwordFile(t, secret+"\r\n"), "timeout": "20s"},
		cmd: exec.Command(daemon, append(flags, "--socket="+filepath.Join(dir, "s"), "--port="+strconv.Itoa(port), "--bind-address=127.0.0.1", "--init-file="+begin)...),
	}
	s.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	s.start(t)
	until(t, s, s.with(set{"socket": filepath.Join(dir, "s")}), sdk.StatusUp) // the socket is there when the first statements have run
	return s
}

// A real server: what it answers, what it refuses, and what it does not live to answer.
func TestServers(t *testing.T) {
	for name, c := range map[string]struct {
		start                         func(*testing.T) *server
		wrongPassword, hidden, syntax string // how the server refuses
		sleep                         string
	}{
		"PostgreSQL": {postgresServer, "(28P01)", "(42501)", "(42601)", "SELECT pg_sleep(600)"},
		"MariaDB":    {mariaServer, "(1045)", "(1142)", "(1064)", "SELECT SLEEP(600)"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := c.start(t)
			hidden := "SELECT a FROM hidden"
			if s.settings["driver"] == "mysql" {
				hidden = "SELECT a FROM shop.hidden"
			}
			wrong := passwordFile(t, "another "+secret)
			for _, q := range []struct {
				more   set
				status sdk.Status
				says   string
			}{
				{set{}, sdk.StatusUp, "answered 1"},
				{set{"query": "SELECT 'a', 2, NULL", "answer": "^a$"}, sdk.StatusUp, "answered a"},
				{set{"query": "SELECT 'recovering'", "answer": "^ready$"}, sdk.StatusDown, `SELECT 'recovering' answers "recovering", which does not match "^ready$"`},
				{set{"query": "SELECT 1 WHERE 1 = 2"}, sdk.StatusDown, "SELECT 1 WHERE 1 = 2 answers no row"},
				{set{"password_file": wrong}, sdk.StatusUnknown, c.wrongPassword},
				{set{"query": hidden}, sdk.StatusUnknown, c.hidden},
				{set{"query": "SELCT"}, sdk.StatusUnknown, c.syntax},
				{set{"query": c.sleep, "timeout": "300ms"}, sdk.StatusDown, "no answer within 300ms"},
				{set{"tls": "verify"}, sdk.StatusDown, "ask "}, // it has no TLS, or no good certificate
			} {
				r := check(t, s.with(q.more))
				if r.Status != q.status || !strings.Contains(r.Reason+r.Detail, q.says) || strings.Contains(r.Reason+r.Detail, "hush") {
					t.Errorf("%v: got %+v, want %s %q", q.more, r, q.status, q.says)
				}
			}
			s.dies(t)
		})
	}
}

// dies takes a server through a hang and its end.
func (s *server) dies(t *testing.T) {
	t.Helper()
	quick := s.with(set{"timeout": "500ms"})
	if err := s.cmd.Process.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	if r := check(t, quick); r.Status != sdk.StatusDown || !strings.HasSuffix(r.Reason, "no answer within 500ms") {
		t.Errorf("a server that hangs: %+v", r)
	}
	if err := errors.Join(s.cmd.Process.Signal(syscall.SIGCONT), s.cmd.Process.Kill()); err != nil {
		t.Fatal(err)
	}
	r := until(t, s, quick, sdk.StatusDown)
	for end := time.Now().Add(30 * time.Second); !strings.HasSuffix(r.Reason, "connection refused") && time.Now().Before(end); {
		r = check(t, quick)
	}
	if want := fmt.Sprintf("ask %s at 127.0.0.1:%d: connection refused", s.settings["driver"], s.settings["port"]); r.Reason != want {
		t.Errorf("a server that is gone: %+v, want %q", r, want)
	}
}
