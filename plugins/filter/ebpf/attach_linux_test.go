package ebpf

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	bpf "github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/link"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/orchestrator-ha/orchestrator/sdk"
)

// sender gives a function that sends frames out of an interface, to its other
// end.
func sender(t testing.TB, dev string) func(frame []byte) {
	t.Helper()
	l, err := netlink.LinkByName(dev)
	check0(t, err)
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, 0)
	check0(t, err)
	t.Cleanup(func() { unix.Close(fd) })
	return func(frame []byte) {
		t.Helper()
		var err error
		eventually(t, "a busy machine's queue takes a frame", func() bool {
			err = unix.Sendto(fd, frame, 0, &unix.SockaddrLinklayer{Ifindex: l.Attrs().Index})
			return !errors.Is(err, unix.ENOBUFS) // the frame did not arrive
		})
		check0(t, err)
	}
}

// eventually waits until a condition holds.
func eventually(t testing.TB, what string, holds func() bool) {
	t.Helper()
	for end := time.Now().Add(60 * time.Second); !holds(); <-time.After(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("after a minute still not: %s", what)
		}
	}
}

// reaches sends a frame from the other end and waits until the filter has counted it.
func (fx *fixture) reaches(reason string, frame []byte) {
	fx.t.Helper()
	before := fx.count(reason)
	sender(fx.t, "other0")(frame)
	eventually(fx.t, reason, func() bool { return fx.count(reason) == before+1 })
}

// configure sets the module up anew, with a lease.
func (fx *fixture) configure() {
	fx.t.Helper()
	_, err := fx.filter.Configure(context.Background(), fx.config)
	check0(fx.t, err)
	check0(fx.t, fx.filter.Renew(bootNow(fx.t)+hour))
}

func (fx *fixture) count(reason string) uint64 {
	fx.t.Helper()
	s, err := fx.filter.State(context.Background())
	check0(fx.t, err)
	return s.Counters["web/"+reason]
}

func (fx *fixture) attachment() sdk.FilterAttachment {
	fx.t.Helper()
	s, err := fx.filter.State(context.Background())
	check0(fx.t, err)
	if len(s.Attachments) != 1 {
		fx.t.Fatalf("attached as %+v", s.Attachments)
	}
	return s.Attachments[0]
}

// TestForeignProgram: beside somebody else's XDP program the filter works by
// tcx, and says which program it is.
func TestForeignProgram(t *testing.T) {
	fx := newFixture(t)
	check0(t, fx.filter.Remove(context.Background(), "web"))
	foreign, err := AttachPass(fx.ifindex)
	check0(t, err)
	defer foreign.Close()
	id, _, err := attachedXDP(fx.ifindex)
	check0(t, err)
	fx.configure()
	if a := fx.attachment(); a.How != howTCX || !strings.Contains(a.Note, fmt.Sprintf("id %d (pass)", id)) {
		t.Errorf("attached as %+v", a)
	}
	if now, _, _ := attachedXDP(fx.ifindex); now != id {
		t.Errorf("the interface runs program %d, not %d", now, id)
	}
	fx.set(rowOf(1), true)
	fx.reaches("accept-new", fx.frame("tcp", syn))
}

// TestForeignProgramInTheWay: where only XDP would do, the error says what is
// in the way, and it stays.
func TestForeignProgramInTheWay(t *testing.T) {
	fx := newFixture(t)
	check0(t, fx.filter.Remove(context.Background(), "web"))
	foreign, err := AttachPass(fx.ifindex)
	check0(t, err)
	defer foreign.Close()
	id, _, err := attachedXDP(fx.ifindex)
	check0(t, err)
	fx.filter.order = []string{howNative, howGeneric}
	_, err = fx.filter.Configure(context.Background(), fx.config)
	for _, want := range []string{"interface eth0", fmt.Sprintf("id %d (pass)", id), "ip link set dev eth0 xdp off"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want %q", err, want)
		}
	}
	if now, _, _ := attachedXDP(fx.ifindex); now != id {
		t.Errorf("the interface runs program %d, not %d", now, id)
	}
	check0(t, foreign.Close())
	_, err = fx.filter.Configure(context.Background(), fx.config)
	check0(t, err)
}

// TestForeignTCX: the filter is asked before other programs of the interface,
// and what it accepts goes on to them.
func TestForeignTCX(t *testing.T) {
	fx := newFixture(t, howTCX)
	check0(t, fx.filter.Remove(context.Background(), "web"))
	const shot = 2 // TCX_DROP
	p, err := bpf.NewProgram(&bpf.ProgramSpec{
		Name: "shoot", Type: bpf.SchedCLS, License: "Dual BSD/GPL",
		Instructions: asm.Instructions{asm.Mov.Imm(asm.R0, shot), asm.Return()},
	})
	check0(t, err)
	defer p.Close()
	foreign, err := link.AttachTCX(link.TCXOptions{Interface: fx.ifindex, Program: p, Attach: bpf.AttachTCXIngress})
	check0(t, err)
	defer foreign.Close()
	fx.configure()
	fx.set(rowOf(1), true)
	fx.reaches("accept-new", fx.frame("tcp", syn))
}

// TestTakenOff: the state tells that somebody took the filter off, and the next
// Configure puts it back, without touching what still is in its place.
func TestTakenOff(t *testing.T) {
	for _, how := range []string{howNative, howTCX, howGeneric} {
		fx := newFixture(t, how)
		fx.set(rowOf(1), true)
		for kind, l := range fx.filter.attached[fx.ifindex].links {
			if kind != linkOut {
				check0(t, l.Detach())
			}
		}
		if a := fx.attachment(); a.How != "" || !strings.Contains(a.Note, "took the filter off interface eth0") {
			t.Errorf("%s: attached as %+v", how, a)
		}
		_, err := fx.filter.Configure(context.Background(), fx.config)
		check0(t, err)
		if a := fx.attachment(); a.How != how {
			t.Errorf("%s: attached as %+v", how, a)
		}
		fx.reaches("accept-new", fx.frame("tcp", syn))

		kept, out := fx.links()
		check0(t, fx.filter.attached[fx.ifindex].links[linkOut].Detach())
		_, err = fx.filter.Configure(context.Background(), fx.config)
		check0(t, err)
		keptNow, outNow := fx.links()
		if keptNow != kept || outNow == out || bound(fx.filter.attached[fx.ifindex].links[linkOut]) != fx.ifindex {
			t.Errorf("%s: links %d and %d have become %d and %d", how, kept, out, keptNow, outNow)
		}
	}
}

// links are the numbers of the filter's link and of the egress program's.
func (fx *fixture) links() (filter, out link.ID) {
	fx.t.Helper()
	for kind, l := range fx.filter.attached[fx.ifindex].links {
		info, err := l.Info()
		check0(fx.t, err)
		if kind == linkOut {
			out = info.ID
		} else {
			filter = info.ID
		}
	}
	return filter, out
}

// TestInterfaceMadeAgain: an interface that went away and came back is attached
// by the next Configure; the state tells of each step.
func TestInterfaceMadeAgain(t *testing.T) {
	fx := newFixture(t)
	fx.set(rowOf(2), true)
	l, err := netlink.LinkByName("eth0")
	check0(t, err)
	check0(t, netlink.LinkDel(l))
	if a := fx.attachment(); a.How != "" || a.Note != "interface eth0 is gone" {
		t.Errorf("attached as %+v", a)
	}
	if _, err := fx.filter.Configure(context.Background(), fx.config); err == nil {
		t.Error("no error while the interface is gone")
	}
	veth(t, fx.space, "eth0", "other0", ownMAC)
	if a := fx.attachment(); a.How != "" || !strings.Contains(a.Note, "made anew") {
		t.Errorf("attached as %+v", a)
	}
	_, err = fx.filter.Configure(context.Background(), fx.config)
	check0(t, err)
	a := fx.attachment()
	if a.How != howNative || a.Index == fx.ifindex {
		t.Fatalf("attached as %+v", a)
	}
	fx.ifindex = a.Index
	// Without a new table: what is known of the others came along.
	moved := fx.counted(func() { fx.run(fx.frame("tcp", nil)) })
	if moved["web/forward-owner"] != 1 {
		t.Errorf("counters %v", moved)
	}
}

// TestStackedInterface: an interface on top of another has no driver that runs
// XDP, and is filtered by tcx.
func TestStackedInterface(t *testing.T) {
	attrs := func(fx *fixture) netlink.LinkAttrs {
		a := netlink.NewLinkAttrs()
		a.Name, a.ParentIndex, a.HardwareAddr = "top0", fx.ifindex, hardware(macOf(9))
		return a
	}
	tagged := func(frame []byte) []byte {
		return append(append(frame[:12:12], 0x81, 0, 0, 10), frame[12:]...)
	}
	asIs := func(frame []byte) []byte { return frame }
	cases := []struct {
		name   string
		option string // of the kernel
		link   func(*fixture) netlink.Link
		frame  func([]byte) []byte
	}{
		{"vlan", "CONFIG_VLAN_8021Q", func(fx *fixture) netlink.Link {
			return &netlink.Vlan{LinkAttrs: attrs(fx), VlanId: 10, VlanProtocol: netlink.VLAN_PROTOCOL_8021Q}
		}, tagged},
		{"bond", "CONFIG_BONDING", func(fx *fixture) netlink.Link {
			a := attrs(fx)
			a.ParentIndex = 0
			return netlink.NewLinkBond(a)
		}, asIs},
		{"macvlan", "CONFIG_MACVLAN", func(fx *fixture) netlink.Link {
			return &netlink.Macvlan{LinkAttrs: attrs(fx), Mode: netlink.MACVLAN_MODE_BRIDGE}
		}, asIs},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			fx := newFixture(t)
			check0(t, fx.filter.Remove(context.Background(), "web"))
			top := c.link(fx)
			if err := netlink.LinkAdd(top); errors.Is(err, unix.EOPNOTSUPP) {
				t.Skipf("this kernel makes no %s interface (%s is not set): %v", c.name, c.option, err)
			} else {
				check0(t, err)
			}
			if c.name == "bond" {
				eth0, err := netlink.LinkByName("eth0")
				check0(t, err)
				check0(t, netlink.LinkSetDown(eth0))
				check0(t, netlink.LinkSetMaster(eth0, top))
				check0(t, netlink.LinkSetUp(eth0))
			}
			check0(t, netlink.LinkSetUp(top))
			fx.config.Interfaces[0].Name = "top0"
			fx.configure()
			a := fx.attachment()
			if c.name != "bond" && (a.How != howTCX || !strings.Contains(a.Note, howNative)) {
				t.Errorf("attached as %+v", a)
			}
			fx.set(rowOf(1), true)
			fx.reaches("accept-new", c.frame(fx.frame("tcp", all(syn, func(p *packet) { p.eth.DstMAC = hardware(a.MAC) }))))
		})
	}
}

// TestWayOfAVeth: without a wish a veth is filtered by tcx, with one as is wished.
func TestWayOfAVeth(t *testing.T) {
	fx := newFixture(t)
	fx.filter.order = nil
	for _, c := range []struct{ wish, how string }{{"", howTCX}, {howGeneric, howGeneric}, {howNative, howNative}} {
		check0(t, fx.filter.Remove(context.Background(), "web"))
		if c.wish != "" {
			check0(t, fx.filter.Prefer(c.wish))
		}
		fx.configure()
		if a := fx.attachment(); a.How != c.how {
			t.Errorf("with the wish %q attached as %+v", c.wish, a)
		}
	}
	if err := fx.filter.Prefer("magic"); err == nil || !strings.Contains(err.Error(), howTCX) {
		t.Errorf("a wish for magic: %v", err)
	}
	if kind, err := kindOf(1); err != nil || kind != "" {
		t.Errorf("the loopback interface is a %q, %v", kind, err)
	}
}
