package sql

import (
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/go-sql-driver/mysql"
	"github.com/jackc/pgx/v5/pgconn"
	mssql "github.com/microsoft/go-mssqldb"

	"github.com/orchestrator-ha/orchestrator/sdk"
	"github.com/orchestrator-ha/orchestrator/sdk/sdktest"
)

type set = map[string]any

func check(t *testing.T, settings set) sdk.Result {
	t.Helper()
	raw, err := json.Marshal(settings)
	if err != nil {
		t.Fatal(err)
	}
	return New().Check(t.Context(), raw)
}

// closed is a port that nobody listens on.
func closed(t *testing.T) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close() //nolint:errcheck // that is what it was opened for
	return l.Addr().(*net.TCPAddr).Port
}

func passwordFile(t *testing.T, text string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "password")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

func TestConformance(t *testing.T) {
	sdktest.Run(t, New(), sdktest.Options{
		Settings: json.RawMessage(fmt.Sprintf(`{"driver":"postgres","port":%d,"user":"a","timeout":"2s"}`, closed(t))),
		Invalid: []json.RawMessage{
			[]byte(`{}`), []byte(`{"driver":"oracle"}`), []byte(`{"driver":"mysql","port":0}`), []byte(`{"driver":"mysql","password":"x"}`),
			[]byte(`{"driver":"mysql","tls":"maybe"}`), []byte(`{"driver":"mysql","query":""}`),
		},
	})
}

// What is wrong before anybody is asked says nothing about the server.
func TestMistakes(t *testing.T) {
	for _, c := range []struct {
		settings set
		says     string
	}{
		{set{"answer": "("}, "ask postgres at 127.0.0.1:5432: error parsing regexp"},
		{set{"password_file": "/no/such/file"}, "read the password: open /no/such/file: no such file or directory"},
		{set{"password_file": passwordFile(t, "\nsecond line")}, "is empty"},
		{set{"tls": "verify", "ca": passwordFile(t, "no certificate")}, "there is no certificate in "},
		{set{"driver": "sqlserver", "socket": "/run/x"}, "sqlserver has no socket"},
	} {
		c.settings["driver"] = or(c.settings["driver"], "postgres")
		if r := check(t, c.settings); r.Status != sdk.StatusUnknown || !strings.Contains(r.Reason, c.says) {
			t.Errorf("%v: got %+v, want unknown with %q", c.settings, r, c.says)
		}
	}
}

func or(v, def any) any {
	if v == nil {
		return def
	}
	return v
}

func TestNobodyThere(t *testing.T) {
	port := closed(t)
	for name := range drivers {
		r := check(t, set{"driver": name, "port": port, "user": "monitor"})
		if want := fmt.Sprintf("ask %s at 127.0.0.1:%d: connection refused", name, port); r.Status != sdk.StatusDown || r.Reason != want {
			t.Errorf("got %+v, want down %q", r, want)
		}
	}
}

// A server that takes the connection and says nothing is down when the time is over.
func TestSilence(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close() //nolint:errcheck // the test is over
	for name := range drivers {
		r := check(t, set{"driver": name, "port": l.Addr().(*net.TCPAddr).Port, "user": "monitor", "timeout": "100ms"})
		if r.Status != sdk.StatusDown || !strings.HasSuffix(r.Reason, ": no answer within 100ms") {
			t.Errorf("%s: got %+v", name, r)
		}
	}
}

// Something else that listens on the port is no database server.
func TestSomethingElse(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close() //nolint:errcheck // the test is over
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			_, _ = io.WriteString(conn, "220 mail.example.org ESMTP ready, say something\r\n")
			_, _ = io.CopyN(io.Discard, conn, 8)
			_ = conn.Close()
		}
	}()
	for name := range drivers {
		r := check(t, set{"driver": name, "port": l.Addr().(*net.TCPAddr).Port, "user": "monitor", "timeout": "500ms"})
		if r.Status != sdk.StatusDown || !strings.HasPrefix(r.Reason, "ask "+name+" at 127.0.0.1:") || strings.Contains(r.Reason, "\n") {
			t.Errorf("%s: got %+v", name, r)
		}
	}
}

// Which words of a server mean that it works, and which that it does not.
func TestVerdicts(t *testing.T) {
	for name, c := range map[string]struct {
		driver  string
		err     error
		refused bool
		text    string
	}{
		"wrong password":      {"postgres", &pgconn.PgError{Code: "28P01", Message: "no"}, true, "no (28P01)"},
		"no such table":       {"postgres", &pgconn.PgError{Code: "42P01"}, true, " (42P01)"},
		"starting up":         {"postgres", &pgconn.PgError{Code: "57P03", Message: "starting up"}, false, "starting up (57P03)"},
		"too many":            {"postgres", &pgconn.PgError{Code: "53300"}, false, " (53300)"},
		"MySQL: wrong":        {"mysql", &mysql.MySQLError{Number: 1045, Message: "no"}, true, "no (1045)"},
		"MySQL: too many":     {"mysql", &mysql.MySQLError{Number: 1040, Message: "many"}, false, "many (1040)"},
		"SQL Server: wrong":   {"sqlserver", mssql.Error{Number: 18456, Message: "no"}, true, "no (18456)"},
		"SQL Server: offline": {"sqlserver", mssql.Error{Number: 942, Message: "offline"}, false, "offline (942)"},
	} {
		text, refused, answered := drivers[c.driver].verdict(fmt.Errorf("connect: %w", c.err))
		if text != c.text || refused != c.refused || !answered {
			t.Errorf("%s: %q, refused %v, answered %v", name, text, refused, answered)
		}
	}
	for name, d := range drivers {
		if _, _, answered := d.verdict(net.ErrClosed); answered {
			t.Errorf("%s takes an error of this machine for an answer", name)
		}
	}
}
