package pluginhost

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync/atomic"
	"time"

	"github.com/hashicorp/go-plugin/runner"

	"github.com/orchestrator-ha/orchestrator/sdk"
)

// cmdSpec is how go-plugin hands over the environment of a plugin.
type cmdSpec = *exec.Cmd

// process is one process of a program, seen by go-plugin as its runner. Unlike
// go-plugin's own it notices the end of the process itself and does not wait
// for the end of its output, which children of the plugin may hold open.
type process struct {
	spawn  *spawner
	cmd    *exec.Cmd
	stdout *os.File // protocol
	logs   *logReader
	tail   *tail

	started atomic.Bool
	exited  chan struct{} // closed after the fields below are set
	err     error
}

var _ runner.Runner = (*process)(nil)

func newProcess(p *program) (*process, error) {
	path, args, err := p.spec.command(p.host.o.Dirs)
	if err != nil {
		return nil, err
	}
	cmd := exec.Command(path)
	cmd.Args = args
	cmd.Env = p.host.environment()
	cmd.SysProcAttr = attributes()
	t := &tail{}
	return &process{
		spawn: p.host.spawn, cmd: cmd, tail: t, exited: make(chan struct{}),
		logs: &logReader{log: p.host.o.Log.With("plugin", list(p.plugins)), tail: t},
	}, nil
}

// environment is what plugins inherit. A plugin is small: its garbage is
// collected earlier than usual and it uses two processors at most.
func (h *Host) environment() []string {
	var env []string
	for _, v := range os.Environ() {
		name, _, _ := strings.Cut(v, "=")
		switch name {
		case "GOGC", "GOMEMLIMIT", "GOMAXPROCS", "GOTRACEBACK", sdk.Handshake().MagicCookieKey:
		default:
			if !strings.HasPrefix(name, "PLUGIN_") {
				env = append(env, v)
			}
		}
	}
	env = append(env, "GOGC=50", "GOMEMLIMIT=96MiB", "GOMAXPROCS=2",
		sdk.EnvLogLevel+"="+h.o.LogLevel.String())
	return append(env, h.o.Env...)
}

// Start starts the process.
func (r *process) Start(context.Context) error {
	outR, outW, err := os.Pipe()
	if err != nil {
		return err
	}
	errR, errW, err := os.Pipe()
	if err != nil {
		_, _ = outR.Close(), outW.Close()
		return err
	}
	r.cmd.Stdout, r.cmd.Stderr = outW, errW
	err = r.spawn.do(r.cmd.Start)
	_, _ = outW.Close(), errW.Close()
	if err != nil {
		_, _ = outR.Close(), errR.Close()
		close(r.exited)
		return fmt.Errorf("start %s: %w", r.cmd.Path, err)
	}
	r.stdout = outR
	r.started.Store(true)
	logged := make(chan struct{})
	go func() { defer close(logged); r.logs.read(errR) }()
	go r.wait(outR, errR, logged)
	return nil
}

// wait notices the end of the process. Its children may hold the pipes open, so
// what is still in them is read for a short while only.
func (r *process) wait(outR, errR *os.File, logged <-chan struct{}) {
	r.err = r.cmd.Wait()
	soon := time.Now().Add(200 * time.Millisecond)
	_, _ = outR.SetReadDeadline(soon), errR.SetReadDeadline(soon)
	<-logged
	_ = errR.Close()
	close(r.exited)
}

// exit says how the process ended: "signal: killed", "exit status 2"; empty
// while it runs or if it never did.
func (r *process) exit() string {
	select {
	case <-r.exited:
	default:
		return ""
	}
	if !r.started.Load() {
		return ""
	}
	if r.err == nil {
		return "exit status 0"
	}
	return r.err.Error()
}

// exitSoon is exit for a process that may be just about to end.
func (r *process) exitSoon() string {
	select {
	case <-r.exited:
	case <-time.After(time.Second):
	}
	return r.exit()
}

func (r *process) pid() int { return r.cmd.Process.Pid }

// kill ends the process at once; it may be called at any time.
func (r *process) kill() {
	if r.started.Load() {
		_ = r.cmd.Process.Kill() // it has ended already if this fails
	}
}

// Wait waits for the end of the process.
func (r *process) Wait(context.Context) error {
	<-r.exited
	return r.err
}

// Kill ends the process at once.
func (r *process) Kill(context.Context) error {
	if !r.started.Load() {
		return nil
	}
	if err := r.cmd.Process.Kill(); !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	return nil
}

// Stdout is where the plugin announces its socket.
func (r *process) Stdout() io.ReadCloser { return r.stdout }

// Stderr is empty for go-plugin: the host reads the plugin's log itself.
func (r *process) Stderr() io.ReadCloser { return io.NopCloser(strings.NewReader("")) }

// Name is the path of the program.
func (r *process) Name() string { return r.cmd.Path }

// ID is the process number, as a text.
func (r *process) ID() string {
	if !r.started.Load() {
		return ""
	}
	return fmt.Sprint(r.pid())
}

// Diagnose adds nothing: the caller tells how the process ended.
func (r *process) Diagnose(context.Context) string { return "" }

// PluginToHost leaves addresses as they are.
func (r *process) PluginToHost(network, addr string) (string, string, error) {
	return network, addr, nil
}

// HostToPlugin leaves addresses as they are.
func (r *process) HostToPlugin(network, addr string) (string, string, error) {
	return network, addr, nil
}
