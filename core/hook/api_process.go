package hook

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	lua "github.com/yuin/gopher-lua"
)

// maxCapture is how much of each output of a program a hook gets.
const maxCapture = 1 << 20

func processFunctions() []Function {
	return []Function{{
		Name: "exec", Since: "0.1", call: (*call).exec,
		Doc: "Runs a program and waits for its end. No shell is involved: every argument arrives as it is written. What the program prints goes to the hook's output too. " +
			"Raises an error if the program cannot be started or does not end in time (it is killed with all its children then), and with check = true if it fails.",
		Params:  []Param{{"command", "Command", "", false}},
		Returns: []Param{{"result", "CommandResult", "", false}},
		Example: "local r = exec { \"nginx\", \"-t\", timeout = \"10s\" }\nif not r.ok then fail(\"nginx refuses its configuration: \" .. r.stderr) end",
	}}
}

func (c *call) exec(l *lua.LState) int {
	if s, ok := l.Get(1).(lua.LString); ok {
		l.RaiseError("exec takes a list: exec{ \"%s\" }", strings.Join(strings.Fields(string(s)), `", "`))
	}
	o := c.options(l, 1, "exec", "Command")
	cmd := c.execCommand(o)
	stdout, stderr := &capture{max: maxCapture}, &capture{max: maxCapture}
	cmd.stdout, cmd.stderr = stdout, stderr
	var copies []*splitter
	if !o.flag("quiet") {
		// One splitter each: lines of the two must not be mixed into one.
		outs, errs := &splitter{emit: c.out.line}, &splitter{emit: c.out.line}
		cmd.stdout, cmd.stderr = tee{stdout, outs}, tee{stderr, errs}
		copies = []*splitter{outs, errs}
	}
	name := filepath.Base(cmd.path)
	ctx, cancel := c.limited("exec "+name, o.duration("timeout", 0))
	defer cancel()
	code, err := c.procs.run(ctx, cmd)
	for _, s := range copies {
		s.flush()
	}
	if err != nil {
		l.RaiseError("%s", err.Error())
	}
	if code != 0 && o.flag("check") {
		l.RaiseError("exec %s: ended with code %d%s", name, code, lastLine(stderr.String()))
	}
	return c.pushResult(l, code, stdout.String(), stderr.String())
}

// execCommand makes a command of the list and the options.
func (c *call) execCommand(o options) command {
	var words []string
	for i := 1; i <= o.table.Len(); i++ {
		switch v := o.table.RawGetInt(i).(type) {
		case lua.LString, lua.LNumber:
			words = append(words, v.String())
		default:
			o.raise("argument %d must be text or a number, not a %s", i, v.Type())
		}
	}
	if len(words) == 0 {
		o.raise("has no program to run: exec{ \"program\", \"argument\" }")
	}
	dir := o.str("dir", "")
	if !filepath.IsAbs(dir) {
		dir = filepath.Join(c.run.Dir, dir)
	}
	env := c.environ()
	more := o.stringMap("env")
	for _, k := range sortedKeys(more) {
		env = append(env, k+"="+more[k])
	}
	path, err := c.lookProgram(words[0], dir)
	if err != nil {
		o.raise("%s: %s", words[0], err)
	}
	cmd := command{host: c.run.Host, path: path, args: words[1:], dir: dir, env: dedupe(env)}
	if v := o.str("stdin", ""); v != "" {
		cmd.stdin = strings.NewReader(v)
	}
	return cmd
}

// lookProgram finds a program: a path relative to the directory in which it
// will run, or a name that is looked up in PATH.
func (c *call) lookProgram(name, dir string) (string, error) {
	if strings.ContainsRune(name, '/') || strings.ContainsRune(name, os.PathSeparator) {
		if !filepath.IsAbs(name) {
			name = filepath.Join(dir, name)
		}
		return name, nil
	}
	path, err := exec.LookPath(name)
	if errors.Is(err, exec.ErrNotFound) {
		return "", errors.New("there is no such program in PATH")
	}
	return path, err
}

func (c *call) pushResult(l *lua.LState, code int, stdout, stderr string) int {
	l.Push(c.result(l, "CommandResult", map[string]lua.LValue{
		"code": lua.LNumber(code), "ok": lua.LBool(code == 0), "stdout": lua.LString(stdout), "stderr": lua.LString(stderr),
	}))
	return 1
}

// lastLine is ": TEXT" with the last line of a text, empty without one.
func lastLine(s string) string {
	s = strings.TrimSpace(s)
	if i := strings.LastIndexByte(s, '\n'); i >= 0 {
		s = s[i+1:]
	}
	if s == "" {
		return ""
	}
	return ": " + s
}

// tee writes to both; neither of them fails.
type tee struct {
	kept *capture
	line *splitter
}

func (t tee) Write(p []byte) (int, error) {
	_, _ = t.kept.Write(p)
	return t.line.Write(p)
}
