package process

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	kernel "github.com/orchestrator-ha/orchestrator/sdk/proc"
)

// fakeSystem has the processes and services that the test says.
type fakeSystem struct {
	procs []proc
	err   error
	down  string
}

func (f fakeSystem) processes(context.Context, time.Duration) ([]proc, error) { return f.procs, f.err }
func (f fakeSystem) matches(shown, asked string) bool                         { return shown == asked }
func (f fakeSystem) service(context.Context, string) (string, error)          { return f.down, f.err }
func (f fakeSystem) died(int, func()) (func(), bool)                          { return nil, false }
func (f fakeSystem) births(func(proc), func()) (func(), error)                { return nil, errNoEvents }
func (f fakeSystem) changed(context.Context, string, func()) (func(), error)  { return nil, errNoEvents }

func running(lines ...string) fakeSystem {
	var f fakeSystem
	for i, l := range lines {
		name, _, _ := strings.Cut(l, " ")
		f.procs = append(f.procs, proc{id: id{pid: i}, name: name, args: func() (string, error) { return l, nil }, here: func() (bool, error) { return true, nil }})
	}
	return f
}

func TestFindings(t *testing.T) {
	sys := running("nginx -g daemon", "nginx worker", "java -jar shop.jar", "java -jar bank.jar")
	for _, c := range []struct{ settings, want string }{
		{`{"name":"nginx"}`, "up"},
		{`{"name":"apache2"}`, "down process apache2 not running"},
		{`{"name":"nginx","atleast":3}`, "down process nginx: 2 running, at least 3 wanted"},
		{`{"name":"nginx","atleast":-1,"atmax":0}`, "down process nginx: 2 running, at most 0 wanted"},
		{`{"name":"apache2","atleast":-1,"atmax":0}`, "up"},
		{`{"name":"java","argregex":"shop\\.jar$"}`, "up"},
		{`{"name":"java","argregex":"shop.jar$","atleast":2}`, "down process java: 1 running, at least 2 wanted"},
		{`{"name":"any","nameregex":"^(nginx|java)$","atleast":4}`, "up"},
		{`{"argregex":"paint\\.jar"}`, `down process with arguments matching paint\.jar not running`},
		{`{"nameregex":"^x"}`, `down process matching ^x not running`},
		{`{"name":"a","nameregex":"("}`, "unknown read nameregex: error parsing regexp: missing closing ): `(`"},
		{`{"service":true}`, "unknown service is set, but no name says which"},
	} {
		checkOne(t, sys, c.settings, c.want)
	}
	checkOne(t, fakeSystem{}, `{"name":"mysql","service":true}`, "up")
	checkOne(t, fakeSystem{down: "unit is failed"}, `{"name":"mysql","service":true}`, "down service mysql not running: unit is failed")
	checkOne(t, fakeSystem{err: errors.New("no bus")}, `{"name":"mysql","service":true}`, "unknown ask for service mysql: no bus")
	checkOne(t, fakeSystem{err: errors.New("no /proc")}, `{"name":"mysql"}`, "unknown list processes: no /proc")
}

// Of a process that hangs it is not known whether it is one that is looked for: that is said
// where it matters.
func TestOneHangs(t *testing.T) {
	sys := running("java -jar shop.jar", "java -jar bank.jar", "nginx -g daemon")
	sys.procs[1].args = func() (string, error) { return "", fmt.Errorf("process 1: %w", kernel.ErrHangs) }
	sys.procs[2].here = func() (bool, error) { return false, kernel.ErrHangs }
	const hangs = " hangs so that the kernel does not answer about it"
	for settings, want := range map[string]string{
		`{"name":"java","argregex":"bank"}`:            "unknown process java: 0 found, and one that may be another, java (1)," + hangs,
		`{"name":"java","argregex":"jar","atleast":2}`: "unknown process java: 1 found, and one that may be another, java (1)," + hangs,
		`{"name":"java","argregex":"jar","atmax":1}`:   "unknown process java: 1 found, and one that may be another, java (1)," + hangs,
		`{"name":"java","argregex":"jar","atleast":3}`: "down process java: 1 running, at least 3 wanted",
		`{"name":"java","argregex":"shop","atmax":2}`:  "up",
		`{"name":"java"}`:    "up",
		`{"name":"nginx"}`:   "unknown process nginx: 0 found, and one that may be another, nginx (2)," + hangs,
		`{"name":"apache2"}`: "down process apache2 not running",
	} {
		checkOne(t, sys, settings, want)
	}
}

func checkOne(t *testing.T, sys system, settings, want string) {
	t.Helper()
	r := newChecker(sys).Check(t.Context(), json.RawMessage(settings))
	if got := strings.TrimSpace(string(r.Status) + " " + r.Reason); got != want {
		t.Errorf("%s: %s\nwant %s", settings, got, want)
	}
}
