package process

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/orchestrator-ha/orchestrator/sdk"
	"github.com/orchestrator-ha/orchestrator/sdk/hostname"
)

const (
	// look is the pause between two looks at a program that starts or stops.
	look = 10 * time.Millisecond
	// earlyEnd is what controllers have as early.
	earlyEnd = 100 * time.Millisecond
	// maxOutput is how large an output file may be when it is appended to.
	maxOutput = 10 << 20
)

// Start starts the program, or finds it running.
func (c *controller) Start(ctx context.Context, r sdk.AppRequest) error {
	s, err := parse(r.Settings)
	if err != nil {
		return err
	}
	sum, err := digest(s)
	if err != nil {
		return err
	}
	unlock, err := c.lock(ctx, r.Instance)
	if err != nil {
		return err
	}
	defer unlock()
	in, err := c.find(r.Instance)
	if err != nil {
		return err
	}
	if len(in.pids) > 0 && !in.orphaned() {
		if in.record.Settings == "" {
			return fmt.Errorf("%s runs (processes %v), but with which settings is not known; stop it first", r.Instance, in.pids)
		}
		if in.record.Settings != sum {
			return fmt.Errorf("%s runs with other settings (processes %v); stop it first", r.Instance, in.pids)
		}
		return c.ready(ctx, in, s, nil)
	}
	if err := c.clear(ctx, in); err != nil { // processes whose main process crashed
		return err
	}
	return c.launch(ctx, in, s, sum)
}

// launch starts the program and waits until it is ready; if it does not get
// ready, nothing of it is left.
func (c *controller) launch(ctx context.Context, in *instance, s settings, sum string) error {
	if err := os.MkdirAll(c.dir, 0o700); err != nil {
		return fmt.Errorf("make directory of records: %w", err)
	}
	out, err := c.output(in.name, s.Output)
	if err != nil {
		return err
	}
	defer func() { _ = out.Close() }()
	cmd, group, err := c.exec(in.name, s, out)
	if err != nil {
		if c.cgroup != "" {
			_ = c.removeGroup(c.groupOf(in.name)) // the error to tell is the first
		}
		return fmt.Errorf("start %s: %w", in.name, err)
	}
	err = c.remember(in, cmd.Process.Pid, group, sum) // before reap: then even a program that ended has a start time
	ended := c.reap(in.name, cmd)
	if err == nil {
		err = c.ready(ctx, in, s, ended)
	}
	if err == nil {
		return nil
	}
	text := tailOf(out.Name())
	if cerr := c.clear(context.WithoutCancel(ctx), in); cerr != nil {
		err = fmt.Errorf("%w; then: %w", err, cerr)
	}
	return fmt.Errorf("start %s: %w%s", in.name, err, text)
}

// remember keeps a record of what was started.
func (c *controller) remember(in *instance, pid int, g group, sum string) error {
	in.group, in.record = g, record{PID: pid, Settings: sum}
	p, err := readProc(pid)
	if err != nil {
		return fmt.Errorf("look at process %d: %w", pid, err)
	}
	in.record.Start = p.start
	if dir, ok := g.(cgroup); ok {
		in.record.Cgroup = string(dir)
	} else {
		in.group = session{pid: pid, start: p.start}
	}
	if in.record.Boot, err = bootID(); err != nil {
		return err
	}
	return c.save(in.name, in.record)
}

// exec executes the program in its group. It is in a session of its own and
// nothing ties it to this process.
func (c *controller) exec(name string, s settings, out *os.File) (*exec.Cmd, group, error) {
	build := func() *exec.Cmd {
		cmd := exec.Command(s.Command[0], s.Command[1:]...)
		cmd.Dir, cmd.Stdout, cmd.Stderr = s.Directory, out, out
		cmd.Env = environment(os.Environ(), s.Env)
		cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
		return cmd
	}
	if c.cgroup != "" {
		g := c.groupOf(name)
		cmd := build()
		dir, err := c.makeGroup(name)
		if err != nil {
			return nil, nil, fmt.Errorf("make control group: %w", err)
		}
		defer func() { _ = dir.Close() }()
		cmd.SysProcAttr.UseCgroupFD, cmd.SysProcAttr.CgroupFD = true, int(dir.Fd())
		err = hostname.Start(cmd, s.Hostname)
		if err == nil {
			return cmd, g, nil
		}
		// Linux before 5.7 cannot start into a group, some groups take no processes.
		if !errors.Is(err, syscall.ENOSYS) && !errors.Is(err, syscall.EOPNOTSUPP) && !errors.Is(err, syscall.EBUSY) {
			return nil, nil, err
		}
	}
	cmd := build()
	err := hostname.Start(cmd, s.Hostname)
	return cmd, session{}, err
}

// reap waits for the main process and notes how it ended.
func (c *controller) reap(name string, cmd *exec.Cmd) <-chan error {
	c.noteEnd(name, "")
	ended := make(chan error, 1)
	go func() {
		err := cmd.Wait()
		how := "exit status 0"
		if err != nil {
			how = err.Error()
		}
		c.noteEnd(name, how)
		ended <- err
	}()
	return ended
}

// ready waits until the program is ready. ended tells of the main process if it
// is this process's child.
func (c *controller) ready(ctx context.Context, in *instance, s settings, ended <-chan error) error {
	tick := time.NewTicker(look)
	defer tick.Stop()
	for began := time.Now(); ; {
		select {
		case err := <-ended:
			if err := c.handedOver(in, err); err != nil {
				return err
			}
			ended = nil
		default:
		}
		why := error(nil)
		if s.ReadyTCP != "" {
			why = connect(ctx, s.ReadyTCP)
		}
		pids, err := in.group.pids()
		switch {
		case err != nil:
			return err
		case len(pids) == 0 && ended == nil:
			return errors.New("it ended at once")
		case why == nil && len(pids) > 0 && (s.ReadyTCP != "" || ended == nil || time.Since(began) >= c.early):
			return nil
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			if s.ReadyTCP == "" {
				return ctx.Err()
			}
			return fmt.Errorf("no connection to %s after %v: %v: %w", s.ReadyTCP, time.Since(began).Round(look), why, ctx.Err())
		}
	}
}

// handedOver decides what it means that the main process ended: well, if it
// left others to work (a daemon that forks), else a failure.
func (c *controller) handedOver(in *instance, err error) error {
	if err != nil {
		return fmt.Errorf("it ended: %w", err)
	}
	pids, err := in.group.pids()
	if err != nil {
		return err
	}
	if len(pids) == 0 {
		return errors.New("it ended at once: exit status 0")
	}
	in.record.Forked = true
	return c.save(in.name, in.record)
}

func connect(ctx context.Context, addr string) error {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	var d net.Dialer
	conn, err := d.DialContext(ctx, "tcp", addr)
	if err != nil {
		return err
	}
	return conn.Close()
}

// environment is the plugin's own without what only concerns plugins.
func environment(from []string, add map[string]string) []string {
	var env []string
	for _, v := range from {
		name, _, _ := strings.Cut(v, "=")
		if strings.HasPrefix(name, "PLUGIN_") || strings.HasPrefix(name, "ORCHESTRATOR_PLUGIN") ||
			slices.Contains([]string{"GOGC", "GOMEMLIMIT", "GOMAXPROCS"}, name) {
			continue
		}
		env = append(env, v)
	}
	for name, value := range add {
		env = append(env, name+"="+value)
	}
	return env
}

// output opens the file for the program's output, one of ours if none is named.
func (c *controller) output(instance, path string) (*os.File, error) {
	flags := os.O_CREATE | os.O_APPEND | os.O_WRONLY
	if path == "" {
		path = c.file(instance, ".log")
		if info, err := os.Stat(path); err == nil && info.Size() > maxOutput {
			flags |= os.O_TRUNC
		}
	} else if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return nil, fmt.Errorf("make directory for output of %s: %w", instance, err)
	}
	f, err := os.OpenFile(path, flags, 0o640)
	if err != nil {
		return nil, fmt.Errorf("open output of %s: %w", instance, err)
	}
	return f, nil
}

// tailOf is the last line that the program wrote, to go with an error.
func tailOf(path string) string {
	f, err := os.Open(path)
	if err != nil {
		return ""
	}
	defer func() { _ = f.Close() }()
	info, err := f.Stat()
	if err != nil {
		return ""
	}
	const most = 300
	b := make([]byte, min(info.Size(), most))
	if _, err := f.ReadAt(b, info.Size()-int64(len(b))); err != nil {
		return ""
	}
	b = bytes.TrimSpace(b)
	if b = b[bytes.LastIndexByte(b, '\n')+1:]; len(b) == 0 {
		return ""
	}
	return fmt.Sprintf("; the last line in %s: %s", path, b)
}
