package hook

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"path/filepath"
	"sync"
	"time"

	"github.com/orchestrator-ha/orchestrator/core"
)

// DefaultTimeout is the deadline of a hook whose call names none.
const DefaultTimeout = 5 * time.Minute

// grace is how long a hook may take to come back after its deadline before it
// is left behind. All calls of the API come back at once; what does not is a
// single long operation inside the Lua machine.
const grace = time.Second

// Options are what a Host works with. Every field may be left empty: what is
// missing is refused with an error when a hook asks for it.
type Options struct {
	Applications Applications
	Resources    Resources
	Modules      Modules
	Log          *slog.Logger // log.info and friends of hooks, and what goes wrong around them
	Home         string       // the node's directory: SAFEVAR; settings of running applications are kept below it
	Tools        string       // folder with the programs that scripts call, "safekit" first: SAFE and SAFEBIN; empty is the folder of Run.Program
	OutputLimit  int64        // bytes of output kept per run; 0 means 2 MiB
}

// Host runs hooks. It may be used by several goroutines at once; that hooks of
// one module do not overlap is the caller's business.
type Host struct {
	opts      Options
	functions []Function
	shapes    map[string]Table
	memory    memory
	maxMemory int64 // of a Lua hook
	left      leftovers
	abandoned sync.WaitGroup // Lua goroutines that outlived their deadline; for tests
}

// New returns a Host.
func New(o Options) *Host {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.OutputLimit <= 0 {
		o.OutputLimit = 2 << 20
	}
	h := &Host{opts: o, functions: Functions(), shapes: map[string]Table{}, maxMemory: maxMemory}
	for _, t := range Tables() {
		h.shapes[t.Name] = t
	}
	h.memory.home = o.Home
	return h
}

// Run is one run of a hook.
type Run struct {
	Module  string            // name of the module
	Dir     string            // its directory; hooks lie in bin/ below it
	Args    core.HookCall     // which hook, and why it is called; Timeout 0 means DefaultTimeout
	Words   []string          // arguments of a program, instead of those that follow from Args; nil: those
	Node    string            // name of this node
	Host    string            // host name that its programs see instead of the machine's; empty: the machine's
	Vars    map[string]string // the <var> elements of the module: ctx.vars, and environment of programs
	Program string            // path of this program
	Output  io.Writer         // gets every line with a time stamp; nil discards
	Env     []string          // further environment of programs, KEY=VALUE; wins over Vars
}

// Result is how a run ended. It is never silent: OK, or a Reason.
type Result struct {
	OK       bool          // the hook does not exist, or returned without an error
	Exists   bool          // there is such a hook
	Reason   string        // why not OK; for Lua with file and line: "bin/start_both.lua:12: …"
	Trace    string        // Lua call stack of the failure, one call per line; may be empty
	TimedOut bool          // the deadline passed, or the run was cancelled by its deadline
	Took     time.Duration //
}

// Run runs a hook to its end, its deadline or the end of ctx, whatever comes
// first. A hook that does not exist is OK. When Run returns, the hook writes no
// more to r.Output.
func (h *Host) Run(ctx context.Context, r Run) Result {
	begun := time.Now()
	path, kind, err := locate(r.Dir, r.Args.Name)
	if err != nil {
		return Result{Reason: err.Error(), Took: time.Since(begun)}
	}
	if kind == kindNone {
		return Result{OK: true, Took: time.Since(begun)}
	}
	c := h.newCall(ctx, r, path, "bin/"+filepath.Base(path))
	if kind == kindLua {
		err = c.runLua(c.returned)
	} else {
		err = c.runProgram(kind)
	}
	res := c.finish(err)
	res.Exists, res.Took = true, time.Since(begun)
	return res
}

// timedOut is the cause of a context that a deadline of ours ended.
type timedOut struct {
	what  string
	after time.Duration
}

func (t *timedOut) Error() string {
	return fmt.Sprintf("%s did not end within %s; it was cut off with all processes that it had started", t.what, t.after)
}
