package sdk_test

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/orchestrator-ha/orchestrator/sdk"
)

// TestMain lets the test binary play a plugin, and a host that dies.
func TestMain(m *testing.M) {
	role := ""
	if len(os.Args) > 1 {
		role = os.Args[1]
	}
	switch role {
	case "serve":
		fmt.Fprintln(os.Stderr, sdk.Serve(fakeApp{}))
		os.Exit(1)
	case "host":
		plugin := exec.Command(os.Args[0], "serve")
		h := sdk.Handshake()
		plugin.Env = append(os.Environ(), h.MagicCookieKey+"="+h.MagicCookieValue, "PLUGIN_PROTOCOL_VERSIONS=1")
		out, err := plugin.StdoutPipe()
		if err != nil {
			os.Exit(1)
		}
		if err := plugin.Start(); err != nil {
			os.Exit(1)
		}
		if line, _ := bufio.NewReader(out).ReadString('\n'); !strings.Contains(line, "|grpc|") {
			os.Exit(1)
		}
		fmt.Println(plugin.Process.Pid) // it serves
		select {}
	}
	os.Exit(m.Run())
}

// The SDK alone ends the plugin, without help from the host's side.
func TestServeEndsWithItsParent(t *testing.T) {
	host := exec.CommandContext(t.Context(), os.Args[0], "host")
	out, err := host.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := host.Start(); err != nil {
		t.Fatal(err)
	}
	var pid int
	if _, err := fmt.Fscan(out, &pid); err != nil {
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
	if n, err := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, int(30*time.Second/time.Millisecond)); n != 1 {
		t.Errorf("plugin %d lives on after its host: %v", pid, err)
	}
}

func TestServeWithoutHost(t *testing.T) {
	if err := sdk.Serve(fakeApp{}); !errors.Is(err, sdk.ErrNotStartedByHost) {
		t.Errorf("got %v", err)
	}
}
