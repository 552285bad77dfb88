package address

import (
	"context"
	"encoding/json"
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
// one end of a cable. The thread ends with the test, and the namespace with it.
func alone(t *testing.T) {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skip("making network namespaces needs root")
	}
	runtime.LockOSThread() // never unlocked: the thread must not be used again
	if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
		t.Fatal(err)
	}
	run(t, "link add eth0 type veth peer name other0", "address add 10.78.0.5/24 dev eth0", "link set eth0 up", "link set other0 up")
}

// run has ip do it, or sets how many probes a new IPv6 address on eth0 waits for.
func run(t *testing.T, lines ...string) {
	t.Helper()
	for _, line := range lines {
		if probes, ok := strings.CutPrefix(line, "probes "); ok {
			if err := os.WriteFile("/proc/sys/net/ipv6/conf/eth0/dad_transmits", []byte(probes), 0o644); err != nil {
				t.Fatal(err)
			}
			continue
		}
		if out, err := exec.Command("ip", strings.Fields(line)...).CombinedOutput(); err != nil {
			t.Fatalf("ip %s: %v: %s", line, err, out)
		}
	}
}

// steps changes the network each time the checker has said what is to be said of
// it. The interval is an hour, so only the kernel's news can tell of the change.
func steps(t *testing.T, w sdk.Watcher, settings string, list []step) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	run(t, list[0].change...)
	err := w.Watch(ctx, json.RawMessage(settings), time.Hour, func(r sdk.Result) { // from this goroutine, so in this namespace
		if len(list) == 0 || r.Status != list[0].status || r.Reason != list[0].reason {
			return
		}
		if list = list[1:]; len(list) == 0 {
			cancel()
			return
		}
		run(t, list[0].change...)
	})
	if err != nil || len(list) > 0 {
		t.Errorf("the watch ended with %v, and this was never said: %+v", err, list)
	}
}

type step struct {
	change []string
	status sdk.Status
	reason string
}

func TestInterfaceChanges(t *testing.T) {
	alone(t)
	steps(t, NewInterface().(sdk.Watcher), `{"local_addr":"10.78.0.0"}`, []step{
		{nil, sdk.StatusUp, ""},
		{[]string{"link set other0 down"}, sdk.StatusDown, "interface eth0 has no carrier"},
		{[]string{"link set other0 up"}, sdk.StatusUp, ""},
		{[]string{"link set eth0 down"}, sdk.StatusDown, "interface eth0 is switched off"},
		{[]string{"link del eth0"}, sdk.StatusDown, "no interface has 10.78.0.0 or a network that holds it"},
	})
}

func TestAddressChanges(t *testing.T) {
	alone(t)
	steps(t, NewAddress().(sdk.Watcher), `{"addr":"10.78.0.100"}`, []step{
		{nil, sdk.StatusDown, "10.78.0.100 is not set on this machine"},
		{[]string{"address add 10.78.0.100/32 dev eth0"}, sdk.StatusUp, ""},
		{[]string{"link set eth0 down"}, sdk.StatusDown, "10.78.0.100 is set on eth0, which is switched off"},
		{[]string{"link set eth0 up"}, sdk.StatusUp, ""},
		{[]string{"address del 10.78.0.100/32 dev eth0"}, sdk.StatusDown, "10.78.0.100 is not set on this machine"},
	})
}

// Two machines with one IPv6 address: the second must not use it, and says so. How long it
// takes to find out is up to the kernel: long enough to be seen, or as usual.
func TestDuplicateAddress(t *testing.T) {
	alone(t)
	run(t, "address add fd78::100/64 dev other0 nodad")
	steps(t, NewAddress().(sdk.Watcher), `{"addr":"fd78::100"}`, []step{
		{[]string{"address add fd78::99/64 dev eth0 nodad"}, sdk.StatusUp, ""}, // on other0
		{[]string{"address del fd78::100/64 dev other0"}, sdk.StatusDown, "fd78::100 is not set on this machine"},
		{[]string{"probes 60", "address add fd78::100/64 dev eth0"}, sdk.StatusDown,
			"fd78::100 is set on eth0 but cannot be used: another machine has it, or that is still being found out"},
		{[]string{"address del fd78::100/64 dev eth0"}, sdk.StatusDown, "fd78::100 is not set on this machine"},
		{[]string{"probes 1", "address add fd78::100/64 dev eth0"}, sdk.StatusUp, ""},
	})
}
