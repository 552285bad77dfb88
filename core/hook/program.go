package hook

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	"github.com/orchestrator-ha/orchestrator/core"
)

// runProgram runs an executable hook.
func (c *call) runProgram(kind hookKind) error {
	out := &splitter{emit: c.out.line}
	last := ""
	errs := &splitter{emit: func(s string) {
		c.out.line(s)
		if strings.TrimSpace(s) != "" {
			last = s
		}
	}}
	cmd := c.programCommand(kind)
	cmd.host, cmd.dir, cmd.env, cmd.stdout, cmd.stderr = c.run.Host, c.run.Dir, c.environ(), out, errs
	code, err := c.procs.run(c.ctx, cmd)
	out.flush()
	errs.flush()
	errs.mu.Lock()
	defer errs.mu.Unlock()
	switch {
	case err != nil && errors.Is(err, fs.ErrPermission) && kind == kindPlain:
		return fmt.Errorf("%s is not executable: chmod +x it and package the module again", c.name)
	case err != nil:
		return err
	case code != 0 && last != "":
		return fmt.Errorf("%s ended with code %d: %s", c.name, code, last)
	case code != 0:
		return fmt.Errorf("%s ended with code %d and nothing on its standard error", c.name, code)
	}
	return nil
}

// programCommand adds the interpreter and the arguments that hooks get:
// [force] FROM TO ACTION [-Services "A, B"], unless the run has its own.
func (c *call) programCommand(kind hookKind) command {
	a := c.run.Args
	args := []string{a.From.String(), a.To.String(), actionName(a.Verb)}
	if a.Force {
		args = slices.Insert(args, 0, "force")
	}
	if a.Services != "" {
		args = append(args, "-Services", a.Services)
	}
	if c.run.Words != nil {
		args = c.run.Words
	}
	switch kind {
	case kindSh:
		return command{path: "/bin/sh", args: append([]string{c.path}, args...)}
	case kindCmd:
		return command{path: "cmd.exe", args: append([]string{"/d", "/c", c.path}, args...)}
	case kindPS:
		flags := []string{"-NoLogo", "-NoProfile", "-NonInteractive", "-ExecutionPolicy", "Bypass", "-File", c.path}
		return command{path: "powershell.exe", args: append(flags, args...)}
	case kindVBS:
		return command{path: "cscript.exe", args: append([]string{"//NoLogo", "//B", c.path}, args...)}
	}
	return command{path: c.path, args: args}
}

// actionName is a verb as scripts of modules know it: start, stop, stopstart,
// restart, stopwait.
func actionName(v core.Verb) string {
	switch v {
	case core.VerbWait:
		return "stopwait"
	case core.VerbForceStop:
		return "stop"
	}
	return string(v)
}

// environ is the environment of the programs that a hook runs. Later entries
// win.
func (c *call) environ() []string {
	return dedupe(append(append(os.Environ(), c.run.Environment(c.host.opts.Home, c.host.opts.Tools)...), c.run.Env...))
}

// Environment is what programs of the module get besides the daemon's own
// environment; home is the node's directory, tools the folder with the programs
// that scripts call, see Options. Later entries win.
func (r Run) Environment(home, tools string) []string {
	var env []string
	add := func(k, v string) {
		if v != "" {
			env = append(env, k+"="+v)
		}
	}
	if tools == "" && r.Program != "" {
		tools = filepath.Dir(r.Program)
	}
	add("SAFE", tools)
	add("SAFEBIN", tools)
	add("SAFEMODULE", r.Module)
	add("SAFEHOOK", r.Args.Name)
	add("HOSTNAME", r.Host) // some shells export that of the machine
	add("SAFEUSERBIN", filepath.Join(r.Dir, "bin"))
	add("SAFEUSERCONF", filepath.Join(r.Dir, "conf"))
	if home != "" {
		add("ORCHESTRATOR_HOME", home) // where "safekit" and "orchestrator" find the daemon
		add("SAFEVAR", home)
		add("SAFEUSERVAR", filepath.Join(home, "output", r.Module))
	}
	for _, k := range sortedKeys(r.Vars) {
		env = append(env, k+"="+r.Vars[k])
	}
	return env
}

// dedupe keeps the last value of each variable.
func dedupe(env []string) []string {
	at := map[string]int{}
	var out []string
	for _, kv := range env {
		k, _, _ := strings.Cut(kv, "=")
		if runtime.GOOS == "windows" {
			k = strings.ToUpper(k)
		}
		if i, ok := at[k]; ok {
			out[i] = kv
			continue
		}
		at[k] = len(out)
		out = append(out, kv)
	}
	return out
}
