package ping

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/orchestrator-ha/orchestrator/sdk"
)

// alone moves the test's thread into a new network namespace with eth0, which is
// one end of a cable; the other has no addresses. The thread ends with the test,
// and the namespace with it.
func alone(t *testing.T) {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skip("making network namespaces needs root")
	}
	runtime.LockOSThread() // never unlocked: the thread must not be used again
	if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
		t.Fatal(err)
	}
	for _, line := range []string{
		"link set lo up", "link add eth0 type veth peer name other0", "address add 10.78.0.5/24 dev eth0",
		"address add fd78::5/64 dev eth0 nodad", "link set eth0 up", "link set other0 up",
	} {
		if out, err := exec.Command("ip", strings.Fields(line)...).CombinedOutput(); err != nil {
			t.Fatalf("ip %s: %v: %s", line, err, out)
		}
	}
	// Routes are there when the link is, which the kernel finds out a moment later.
	for end := time.Now().Add(20 * time.Second); ; <-time.After(5 * time.Millisecond) {
		if out, err := exec.Command("ip", "-6", "address", "show", "dev", "eth0", "up", "scope", "link").Output(); err == nil && len(out) > 0 {
			return
		}
		if time.Now().After(end) {
			t.Fatal("eth0 does not come up")
		}
	}
}

func check(t *testing.T, addr, timeout string) sdk.Result {
	t.Helper()
	return New().Check(t.Context(), json.RawMessage(fmt.Sprintf(`{"addr":%q,"timeout":%q}`, addr, timeout)))
}

func TestKernelAnswers(t *testing.T) {
	alone(t)
	for _, addr := range []string{"127.0.0.1", "::1", "10.78.0.5", "fd78::5"} {
		if r := check(t, addr, "20s"); r.Status != sdk.StatusUp || !strings.HasPrefix(r.Detail, "answered in ") {
			t.Errorf("%s: %+v", addr, r)
		}
	}
}

// Nobody has these addresses: the kernel itself says after some time that a host
// is unreachable, if the check waits for so long.
func TestNobodyAnswers(t *testing.T) {
	alone(t)
	for addr, want := range map[string]string{
		"10.78.0.9":  "ping 10.78.0.9: host unreachable, says 10.78.0.5",
		"fd78::9":    "ping fd78::9: host unreachable, says fd78::5",
		"192.0.2.1":  "ping 192.0.2.1: network is unreachable",
		"2001:db8::": "ping 2001:db8::: network is unreachable",
	} {
		if r := check(t, addr, "60s"); r.Status != sdk.StatusDown || r.Reason != want {
			t.Errorf("got %s %q, want down %q", r.Status, r.Reason, want)
		}
	}
	if r := check(t, "10.78.0.9", "10ms"); r.Status != sdk.StatusDown || r.Reason != "ping 10.78.0.9: no answer within 10ms" {
		t.Errorf("hurried: %+v", r)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if r := New().Check(ctx, json.RawMessage(`{"addr":"10.78.0.10","timeout":"60s"}`)); r.Status != sdk.StatusUnknown {
		t.Errorf("cancelled: %+v", r)
	}
}

// A process without the right to raw sockets asks by the other kind.
func TestPingSocket(t *testing.T) {
	alone(t)
	if err := os.WriteFile("/proc/sys/net/ipv4/ping_group_range", []byte("0 2147483647"), 0o644); err != nil {
		t.Fatal(err)
	}
	for addr, f := range map[string]family{"127.0.0.1": four, "::1": six} {
		f.raw = f.datagram // as open would go on without the right
		conn, _, err := f.open()
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close() //nolint:errcheck // the test is over
		to := net.ParseIP(addr)
		r := request{family: f, seq: 5, id: 6}
		r.to = addrOf(&net.IPAddr{IP: to})
		packet, err := r.marshal()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := conn.WriteTo(packet, r.destination()); err != nil {
			t.Fatal(err)
		}
		_ = conn.SetDeadline(time.Now().Add(20 * time.Second))
		buffer := make([]byte, 1500)
		n, from, err := conn.ReadFrom(buffer)
		if err != nil {
			t.Fatal(err)
		}
		if done, err := r.answered(buffer[:n], from); !done || err != nil {
			t.Errorf("%s: %v %v", addr, done, err)
		}
	}
}
