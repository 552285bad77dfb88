package daemon

import (
	"net"
	"net/netip"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/orchestrator-ha/orchestrator/core/config"
	"github.com/orchestrator-ha/orchestrator/core/share"
	"github.com/orchestrator-ha/orchestrator/core/vip"
)

// ip runs the administrator's tool in the test's network namespace.
func ip(t *testing.T, args string) string {
	t.Helper()
	out, err := exec.Command("ip", strings.Fields(args)...).CombinedOutput()
	if err != nil {
		t.Fatalf("ip %s: %v: %s", args, err, out)
	}
	return string(out)
}

// ownNetwork moves the test's thread into a network namespace of its own, which ends
// with it.
func ownNetwork(t *testing.T) {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skip("making network namespaces needs root")
	}
	runtime.LockOSThread() // never unlocked: the thread must not be used again
	if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
		t.Fatal(err)
	}
}

// plug makes eth1, with an IPv6 network that is known by a route only.
func plug(t *testing.T) {
	t.Helper()
	ip(t, "link add eth1 type veth peer name switch")
	ip(t, "link set switch up")
	ip(t, "addr add 10.79.0.1/24 dev eth1")
	ip(t, "link set eth1 up")
	ip(t, "-6 route add fd79::/64 dev eth1")
}

// TestNetworkOnTheRealKernel has the kernel's own interfaces and addresses change
// under a network with IPv4 and IPv6 addresses. Only the filter is a stand-in.
func TestNetworkOnTheRealKernel(t *testing.T) {
	ownNetwork(t)
	plug(t)
	s := &stand{filtered: map[int]string{}}
	w := s.wire()
	w.find, w.holder = vip.Find, vip.NewHolder()
	four, six := netip.MustParseAddr("10.79.0.100"), netip.MustParseAddr("fd79::100")
	n := &network{module: "web", wire: w, wake: make(chan struct{}, 1), said: map[string]string{}, own: map[int][]netip.Prefix{}, conf: []config.Interface{{Name: "eth1", Addresses: []config.Address{
		{Addr: four, MAC: share.MAC{0x5a, 0xfe, 10, 79, 0, 100}}, {Addr: six, MAC: share.MAC{0x5a, 0xf6, 0, 0, 1, 0}}}}}}
	filtered := func() { // as the filter would have it
		s.change(func() {
			s.links = map[int]vip.Interface{}
			s.filtered = map[int]string{}
			if i, err := net.InterfaceByName("eth1"); err == nil {
				s.links[i.Index] = vip.Interface{Name: "eth1", Index: i.Index}
				s.filtered[i.Index] = "xdp-native"
			}
		})
	}
	filtered()
	if err := n.up(t.Context()); err != nil {
		t.Fatal(err)
	}
	complete := func(after string) {
		t.Helper()
		filtered()
		deadline := time.Now().Add(20 * time.Second)
		for n.look(t.Context()); strings.HasSuffix(n.unreached(), "no carrier") && time.Now().Before(deadline); n.look(t.Context()) {
			runtime.Gosched() // the kernel notes the carrier a moment after the link
		}
		now := ip(t, "-details addr show dev eth1")
		for _, want := range []string{"inet 10.79.0.100/32", "inet6 fd79::100/128", "deprecated", "PROMISC"} {
			if !strings.Contains(now, want) {
				t.Errorf("after %s there is no %s in\n%s", after, want, now)
			}
		}
		if strings.Contains(now, "fd79::100/128 scope global tentative") {
			t.Errorf("after %s the IPv6 address is tentative", after)
		}
		if why := n.unreached(); why != "" {
			t.Errorf("after %s nothing is reached: %s", after, why)
		}
	}
	complete("the start")
	ip(t, "addr flush dev eth1")
	ip(t, "addr add 10.79.0.1/24 dev eth1")
	complete("a flush")
	ip(t, "link set eth1 promisc off")
	complete("promiscuous mode was switched off")

	ip(t, "link set eth1 down")
	n.look(t.Context())
	if n.unreached() != "interface eth1 is down" {
		t.Errorf("while eth1 is down: %q", n.unreached())
	}
	ip(t, "link set eth1 up")
	complete("down and up")

	ip(t, "link del eth1")
	filtered()
	n.look(t.Context())
	if why := n.unreached(); !strings.HasPrefix(why, "interface eth1 is gone") {
		t.Errorf("while eth1 is gone: %q", why)
	}
	s.took()
	plug(t)
	complete("it was made anew")
	eth1, err := net.InterfaceByName("eth1")
	if err != nil {
		t.Fatal(err)
	}
	s.change(func() { s.share = true })
	n.announceMoved()
	did := s.took()
	for _, want := range []string{
		"note 10.79.0.100, fd79::100 was set up anew on eth1.", `cut ""`,
		"announce 10.79.0.100 at 5a:fe:0a:4f:00:64 on ", "announce fd79::100 at 5a:f6:00:00:01:00 on ",
	} {
		if !slices.ContainsFunc(did, func(d string) bool {
			return strings.HasPrefix(d, want) && (!strings.HasPrefix(want, "announce") || strings.HasSuffix(d, "from "+eth1.HardwareAddr.String()))
		}) {
			t.Errorf("no %q in\n%s", want, strings.Join(did, "\n"))
		}
	}
	if err := n.down(t.Context()); err != nil {
		t.Error(err)
	}
	if now := ip(t, "-details addr show dev eth1"); strings.Contains(now, "10.79.0.100") || strings.Contains(now, "fd79::100") || strings.Contains(now, "PROMISC") {
		t.Errorf("left behind:\n%s", now)
	}
}

// TestLeftDigest: of applications that were left running the first heartbeat tells.
func TestLeftDigest(t *testing.T) {
	m := &member{d: &Daemon{left: []string{"web"}}, digests: newDigests()}
	theirs := newDigests()
	theirs.hear(2, m.leftDigest())
	if got := theirs.of(2, "web"); got != (share.Digest{Left: true}) {
		t.Errorf("the first heartbeat says %+v", got)
	}
}

// TestWhatAKilledDaemonLeft: the next daemon finds the addresses and settings of one that
// could not clean up.
func TestWhatAKilledDaemonLeft(t *testing.T) {
	ownNetwork(t)
	plug(t)
	home := t.TempDir()
	begin := func() *Daemon { return &Daemon{opt: Options{Home: home}, log: quiet(), holder: vip.NewHolder()} }
	killed := begin()
	if err := os.Mkdir(killed.path("run"), 0o700); err != nil {
		t.Fatal(err)
	}
	var held []heldAddress
	for _, a := range []string{"10.79.0.100", "fd79::100"} {
		addr := netip.MustParseAddr(a)
		on, err := vip.Find(addr, "")
		if err != nil {
			t.Fatal(err)
		}
		held = append(held, heldAddress{on: on, addr: config.Address{Addr: addr}})
	}
	if err := killed.laying("web", held, true); err != nil {
		t.Fatal(err)
	}
	for _, h := range held {
		if err := killed.holder.Add(h.on, h.addr.Addr, true); err != nil {
			t.Fatal(err)
		}
	}
	if now := ip(t, "addr show dev eth1"); !strings.Contains(now, "PROMISC") || !strings.Contains(now, "fd79::100/128") {
		t.Fatalf("nothing is left:\n%s", now)
	}
	next := begin()
	note, err := next.removeLaid(next.laidFile("web"))
	if err != nil || len(note.Addresses) != 2 || !note.GoesOn {
		t.Errorf("removed %+v, %v", note, err)
	}
	announce, err := os.ReadFile("/proc/sys/net/ipv4/conf/eth1/arp_announce")
	if now := ip(t, "addr show dev eth1"); strings.Contains(now, "PROMISC") || strings.Contains(now, ".100") || strings.Contains(now, "::100") || err != nil || strings.TrimSpace(string(announce)) != "0" {
		t.Errorf("left: arp_announce %s, %v\n%s", announce, err, now)
	}
}
