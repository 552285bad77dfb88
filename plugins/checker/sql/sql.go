// Package sql is the checker that asks a database server: PostgreSQL, MySQL and
// MariaDB, Microsoft SQL Server. Its drivers are large, so it is a program of its own.
//
// The password is in a file, which only this process reads.
package sql

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net"
	"os"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/orchestrator-ha/orchestrator/sdk"
)

// New makes the checker.
func New() sdk.Checker {
	return sdk.Probe[settings]{
		Name: "sql", Summary: "logs in to a database server and asks; up when the answer is as expected",
		Properties: `{
			"driver": {"enum": ["postgres", "mysql", "sqlserver"], "description": "kind of the server; mysql is MariaDB too"},
			"addr": {"type": "string", "minLength": 2, "description": "IP address; 127.0.0.1 if left out"},
			"port": {"type": "integer", "minimum": 1, "maximum": 65535, "description": "the usual one if left out: 5432, 3306, 1433"},
			"socket": {"type": "string", "minLength": 1, "description": "Unix socket, instead of addr; of PostgreSQL the folder that it is in"},
			"database": {"type": "string"},
			"user": {"type": "string"},
			"password_file": {"type": "string", "minLength": 1, "description": "file whose first line is the password"},
			"tls": {"enum": ["off", "on", "verify"], "description": "verify: the certificate must be good for addr; on: any will do; off if left out"},
			"ca": {"type": "string", "minLength": 1, "description": "with tls verify: file with certificates (PEM) to trust instead of the system's"},
			"query": {"type": "string", "minLength": 1, "description": "SELECT 1 if left out"},
			"answer": {"type": "string", "format": "regex", "description": "regular expression (RE2) that the first column of the first row must match; if left out, one row will do"}
		}`,
		Required: []string{"driver"},
		Defaults: settings{Addr: "127.0.0.1", TLS: "off", Query: "SELECT 1"},
		Timeout:  5 * time.Second,
		Look:     look,
	}.Checker()
}

type settings struct {
	Driver       string `json:"driver"`
	Addr         string `json:"addr"`
	Port         uint16 `json:"port"`
	Socket       string `json:"socket"`
	Database     string `json:"database"`
	User         string `json:"user"`
	PasswordFile string `json:"password_file"`
	TLS          string `json:"tls"`
	CA           string `json:"ca"`
	Query        string `json:"query"`
	Answer       string `json:"answer"`
}

// what names the server in reasons.
func (s settings) what() string {
	if s.Socket != "" {
		return "ask " + s.Driver + " at " + s.Socket
	}
	return "ask " + s.Driver + " at " + net.JoinHostPort(s.Addr, strconv.Itoa(int(s.Port)))
}

// look logs in anew, asks, and leaves: who keeps a connection does not learn that no
// new one is accepted.
func look(ctx context.Context, s settings) sdk.Result {
	d, known := drivers[s.Driver]
	if !known {
		return sdk.Unknown("there is no driver %q", s.Driver)
	}
	if s.Port == 0 {
		s.Port = d.port
	}
	pattern, err := regexp.Compile(s.Answer)
	if err != nil {
		return sdk.Unknown("%s: %v", s.what(), err)
	}
	password, err := readPassword(s.PasswordFile)
	if err != nil {
		return sdk.Unknown("%s: read the password: %v", s.what(), err)
	}
	answer, rows, err := s.ask(ctx, d, password)
	if err != nil {
		r := s.explain(ctx, d, err)
		if password != "" {
			r.Reason = strings.ReplaceAll(r.Reason, password, "***") // drivers do not say it; this is to be sure
		}
		return r
	}
	switch {
	case !rows:
		return sdk.Down("%s: %s answers no row", s.what(), s.Query)
	case s.Answer != "" && !pattern.MatchString(answer):
		return sdk.Down("%s: %s answers %q, which does not match %q", s.what(), s.Query, shorten(answer), s.Answer)
	}
	return sdk.Up("answered " + shorten(answer))
}

// ask answers the first column of the first row, and whether there was a row.
func (s settings) ask(ctx context.Context, d driver, password string) (answer string, rows bool, err error) {
	connector, err := d.connector(ctx, s, password)
	if err != nil {
		return "", false, mistake{err}
	}
	db := sql.OpenDB(connector)
	defer db.Close() //nolint:errcheck // the answer is there
	found, err := db.QueryContext(ctx, s.Query)
	if err != nil {
		return "", false, err
	}
	defer found.Close() //nolint:errcheck // likewise
	if !found.Next() {
		return "", false, found.Err()
	}
	columns, err := found.Columns()
	if err != nil {
		return "", false, err
	}
	into := make([]any, len(columns))
	var first sql.NullString
	for i := range into {
		into[i] = new(sql.RawBytes)
	}
	if len(into) > 0 {
		into[0] = &first
	}
	if err := found.Scan(into...); err != nil {
		return "", false, err
	}
	return first.String, true, found.Err()
}

// mistake is one in the settings, which says nothing about the server.
type mistake struct{ error }

// explain tells a server that does not work from one that works and refuses what this
// check asks of it: who may log in, and what may be asked, is no matter of health.
func (s settings) explain(ctx context.Context, d driver, err error) sdk.Result {
	if ctx.Err() != nil && !errors.Is(err, context.Canceled) {
		err = ctx.Err() // some drivers make another error of it
	}
	var wrong mistake
	if errors.As(err, &wrong) {
		return sdk.Unknown("%s: %v", s.what(), wrong.error)
	}
	if text, refused, answered := d.verdict(err); answered {
		if refused {
			return sdk.Unknown("%s: it answers, but refuses what the check asks: %s", s.what(), text)
		}
		return sdk.Down("%s: %s", s.what(), text)
	}
	return sdk.Unreached(s.what(), err, sdk.Limit(ctx))
}

// readPassword answers the first line of a file; none without a file.
func readPassword(file string) (string, error) {
	if file == "" {
		return "", nil
	}
	raw, err := os.ReadFile(file)
	if err != nil {
		return "", err
	}
	line, _, _ := strings.Cut(string(raw), "\n")
	if line = strings.TrimSuffix(line, "\r"); line == "" {
		return "", fmt.Errorf("the first line of %s is empty", file)
	}
	return line, nil
}

// shorten keeps a reason readable.
func shorten(text string) string {
	const most = 80
	if r := []rune(text); len(r) > most {
		return string(r[:most]) + "…"
	}
	return text
}
