// Package process is the checker that counts the processes of an application,
// by command name, patterns and arguments, or asks the system whether a service
// runs.
package process

import (
	"context"
	"errors"
	"time"

	"github.com/orchestrator-ha/orchestrator/sdk"
	kernel "github.com/orchestrator-ha/orchestrator/sdk/proc"
)

// proc is a running process.
type proc struct {
	id
	name string // command name as the system shows it
	args func() (string, error)
	here func() (bool, error) // whether it counts as one of this node's
}

// id tells processes apart, even if a number is used again.
type id struct {
	pid   int
	start uint64
}

// system is what the checker asks of the operating system.
type system interface {
	// processes lists what runs, at most so old.
	processes(ctx context.Context, age time.Duration) ([]proc, error)
	// matches compares a command name with the one asked for.
	matches(shown, asked string) bool
	// service tells in words why a service does not run; empty if it does.
	service(ctx context.Context, name string) (string, error)
	// died is told the end of a process until cancel is called; false if the
	// system cannot.
	died(pid int, call func()) (cancel func(), ok bool)
	// births tells of each process that is born or runs another program, until cancel is
	// called; missed is called when some may not have been told of.
	births(call func(proc), missed func()) (cancel func(), err error)
	// changed tells when a service starts or ends, until cancel is called.
	changed(ctx context.Context, service string, call func()) (cancel func(), err error)
}

// errNoEvents is where the system tells of nothing by itself.
var errNoEvents = errors.New("this system does not tell")

// New makes the checker for this operating system.
func New() sdk.Checker { return newChecker(newSystem()) }

type checker struct{ sys system }

func newChecker(sys system) sdk.Checker {
	c := &checker{sys: sys}
	return sdk.Probe[query]{
		Name: "process", Summary: "counts processes or asks for a service; knows of a start or a death at once",
		Platforms: []string{"linux", "windows"},
		Properties: `{
			"name": {"type": "string", "minLength": 1, "description": "command name (Linux shows 15 characters of it), or service name"},
			"nameregex": {"type": "string", "minLength": 1, "description": "pattern of the command name, instead of name"},
			"argregex": {"type": "string", "minLength": 1, "description": "pattern of the command line with its arguments, in addition"},
			"atleast": {"type": "integer", "minimum": -1, "description": "fewer processes are down; -1 for no limit"},
			"atmax": {"type": "integer", "minimum": -1, "description": "more processes are down; -1 for no limit"},
			"service": {"type": "boolean", "description": "name is a service: a systemd unit, a Windows service"},
			"poll": {
				"description": "how often to look although the system tells of starts and ends by itself; the interval, if it is longer",
				"anyOf": [{"type": "number", "exclusiveMinimum": 0}, {"type": "string", "pattern": "` + sdk.DurationPattern + `"}]
			}
		}`,
		Keywords: `{"anyOf": [{"required": ["name"]}, {"required": ["nameregex"]}, {"required": ["argregex"]}]}`,
		Defaults: query{AtLeast: 1, AtMax: -1},
		Look:     c.look,
		Watch:    c.watch,
	}.Checker()
}

// look looks once.
func (c *checker) look(ctx context.Context, q query) sdk.Result {
	if err := q.prepare(); err != nil {
		return sdk.Unknown("%v", err)
	}
	r, _ := c.find(ctx, &q, 0)
	return r
}

// find asks the system and judges; it answers the processes found as well.
func (c *checker) find(ctx context.Context, q *query, age time.Duration) (sdk.Result, []proc) {
	start := time.Now()
	if q.Service {
		why, err := c.sys.service(ctx, q.Name)
		switch {
		case err != nil:
			return sdk.Unknown("ask for service %s: %v", q.Name, err), nil
		case why != "":
			return sdk.Down("service %s not running: %s", q.Name, why), nil
		}
		return sdk.Result{Status: sdk.StatusUp, Took: time.Since(start)}, nil
	}
	if q.args != nil && !argsKnown {
		return sdk.Unknown("argregex: the arguments of processes cannot be read on this system; use name"), nil
	}
	all, err := c.sys.processes(ctx, age)
	if err != nil {
		return sdk.Unknown("list processes: %v", err), nil
	}
	var found, hang []proc
	for _, p := range all {
		is, err := q.matches(p, c.sys.matches)
		switch {
		case is && err == nil:
			found = append(found, p)
		case errors.Is(err, kernel.ErrHangs): // else it has ended meanwhile
			hang = append(hang, p)
		}
	}
	r := q.judge(len(found))
	if q.judge(len(found)+len(hang)).Status != r.Status {
		r = sdk.Unknown("process %s: %d found, and one that may be another, %s (%d), hangs so that the kernel does not answer about it", q.who(), len(found), hang[0].name, hang[0].pid)
	}
	r.Took = time.Since(start)
	return r, found
}
