package pluginhost

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/orchestrator-ha/orchestrator/sdk"
)

func suspend(t *testing.T, p *os.Process) {
	t.Helper()
	if err := p.Signal(unix.SIGSTOP); err != nil {
		t.Fatal(err)
	}
}

func TestHangingPluginIsReplaced(t *testing.T) {
	h, events := newHost(t, table())
	h.pulse = pulse{every: 50 * time.Millisecond, timeout: 500 * time.Millisecond}
	if _, err := h.Describe(within(t), sdk.KindChecker, "file"); err != nil {
		t.Fatal(err)
	}
	s, err := h.programs["checker/file"].now("")
	if err != nil {
		t.Fatal(err)
	}
	suspend(t, s.run.cmd.Process)
	e := await(t, "death", events, func(e Event) bool { return e.State == Dead })
	if e.Reason != "did not answer for 1 s and was killed" {
		t.Errorf("reason %q", e.Reason)
	}
	await(t, "restart", events, func(e Event) bool { return e.State == Running })
}

func TestPluginEndsWithItsHost(t *testing.T) {
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	host := exec.CommandContext(t.Context(), exe, "host")
	host.Stderr = os.Stderr
	out, err := host.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := host.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	pid, err := strconv.Atoi(strings.TrimSpace(line))
	if err != nil {
		t.Fatal(err)
	}
	fd, err := unix.PidfdOpen(pid, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = unix.Close(fd) }()
	if err := host.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = host.Wait() // killed on purpose
	n, err := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, int(patience/time.Millisecond))
	if n != 1 {
		t.Errorf("plugin %d lives on after its host: %v", pid, err)
	}
}

// A program that a plugin started lives on when the plugin is killed, does not
// keep the death from being noticed, and is found by the next process.
func TestProgramOutlivesItsPlugin(t *testing.T) {
	h, events := newHost(t, table())
	a := h.Application("process")
	marker := fmt.Sprintf("outlives-%d", os.Getpid())
	r := sdk.AppRequest{Instance: marker, Settings: json.RawMessage(`{"command":["sleep","600"]}`)}
	if err := a.Start(within(t), r); err != nil {
		t.Fatal(err)
	}
	before := a.Status(within(t), r)
	kill(t, h, "application/process")
	await(t, "death", events, func(e Event) bool { return e.State == Dead })
	after := a.Status(within(t), r)
	if after.Status != sdk.StatusUp || after.Detail != before.Detail {
		t.Errorf("before %+v, after %+v", before, after)
	}
	if err := a.Stop(within(t), r); err != nil {
		t.Errorf("stop: %v", err)
	}
	if s := a.Status(within(t), r); s.Status != sdk.StatusDown {
		t.Errorf("after stop: %+v", s)
	}
}
