package ebpf

import (
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"runtime"
	"sync/atomic"
	"testing"
	"unsafe"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"

	"github.com/orchestrator-ha/orchestrator/core/share"
	"github.com/orchestrator-ha/orchestrator/sdk"
)

func needRoot(t testing.TB) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("loading programs into the kernel and making network namespaces needs root")
	}
}

var spaceNumber atomic.Int32

// space is a network namespace of a test.
type space struct {
	name   string
	handle netns.NsHandle
}

// newSpace makes a namespace and leaves the thread where it was. The caller has
// locked the goroutine to its thread.
func newSpace(t testing.TB) *space {
	t.Helper()
	home, err := netns.Get()
	check0(t, err)
	defer home.Close()
	s := &space{name: fmt.Sprintf("orchtest-%d-%d", os.Getpid(), spaceNumber.Add(1))}
	s.handle, err = netns.NewNamed(s.name)
	check0(t, err)
	t.Cleanup(func() {
		s.handle.Close()
		if err := netns.DeleteNamed(s.name); err != nil {
			t.Errorf("delete namespace %s: %v", s.name, err)
		}
	})
	check0(t, netns.Set(home))
	s.do(t, func() {
		lo, err := netlink.LinkByName("lo")
		check0(t, err)
		check0(t, netlink.LinkSetUp(lo))
	})
	return s
}

// do runs f in the namespace, on this thread.
func (s *space) do(t testing.TB, f func()) {
	t.Helper()
	home, err := netns.Get()
	check0(t, err)
	defer home.Close()
	check0(t, netns.Set(s.handle))
	defer func() { check0(t, netns.Set(home)) }()
	f()
}

func check0(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func lockThread(t testing.TB) {
	t.Helper()
	needRoot(t)
	runtime.LockOSThread()
	t.Cleanup(runtime.UnlockOSThread)
}

// bpffs mounts a BPF file system of the test's own.
func bpffs(t testing.TB) string {
	t.Helper()
	dir := t.TempDir()
	check0(t, unix.Mount("bpf", dir, "bpf", 0, "mode=0700"))
	t.Cleanup(func() {
		if err := unix.Unmount(dir, unix.MNT_DETACH); err != nil {
			t.Errorf("unmount %s: %v", dir, err)
		}
	})
	return filepath.Join(dir, "filter")
}

func quiet() *slog.Logger { return slog.New(slog.NewTextHandler(io.Discard, nil)) }

// macOf is the Ethernet address of a node, or of anybody in a test.
func macOf(n uint8) sdk.MAC { return sdk.MAC{2, 0, 0, 0, 0, n} }

func hardware(m sdk.MAC) net.HardwareAddr { return m[:] }

// veth makes a pair; the first end is in the namespace s, the second here.
func veth(t testing.TB, s *space, name, peer string, mac sdk.MAC) {
	t.Helper()
	attrs := netlink.NewLinkAttrs()
	attrs.Name, attrs.HardwareAddr = name, hardware(mac)
	attrs.Namespace = netlink.NsFd(s.handle)
	check0(t, netlink.LinkAdd(&netlink.Veth{LinkAttrs: attrs, PeerName: peer}))
	l, err := netlink.LinkByName(peer)
	check0(t, err)
	check0(t, netlink.LinkSetUp(l))
	noOffload(t, peer)
	s.do(t, func() {
		l, err := netlink.LinkByName(name)
		check0(t, err)
		check0(t, netlink.LinkSetUp(l))
		noOffload(t, name)
	})
}

func addAddr(t testing.TB, dev, prefix string) {
	t.Helper()
	l, err := netlink.LinkByName(dev)
	check0(t, err)
	a, err := netlink.ParseAddr(prefix)
	check0(t, err)
	if a.IP.To4() == nil {
		a.Flags = unix.IFA_F_NODAD // to be used at once
	}
	check0(t, netlink.AddrAdd(l, a))
}

// noOffload switches off what a frame sent from XDP would carry unfinished:
// checksums and segmentation left to the device (linux/ethtool.h).
func noOffload(t testing.TB, dev string) {
	t.Helper()
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	check0(t, err)
	defer unix.Close(fd)
	for _, cmd := range []uint32{0x17 /* STXCSUM */, 0x1f /* STSO */, 0x24 /* SGSO */} {
		value := [2]uint32{cmd, 0}
		var req struct {
			name [unix.IFNAMSIZ]byte
			data unsafe.Pointer
			_    [16]byte
		}
		copy(req.name[:], dev)
		req.data = unsafe.Pointer(&value)
		if _, _, e := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), unix.SIOCETHTOOL, uintptr(unsafe.Pointer(&req))); e != 0 {
			t.Fatalf("switch offload %#x of %s off: %v", cmd, dev, e)
		}
	}
}

// rowsOf fills a table with one row.
func rowsOf(row uint32) []sdk.Row {
	rows := make([]sdk.Row, share.Buckets)
	for n := range rows {
		rows[n] = sdk.Row(row)
	}
	return rows
}

var testKey = [16]byte{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16}

// bootNow is CLOCK_BOOTTIME in ns.
func bootNow(t testing.TB) uint64 {
	t.Helper()
	var ts unix.Timespec
	check0(t, unix.ClockGettime(unix.CLOCK_BOOTTIME, &ts))
	return uint64(ts.Nano())
}

const hour = 3600 * 1_000_000_000

func addr(s string) netip.Addr { return netip.MustParseAddr(s) }

// enter moves the thread into the namespace until the test ends.
func enter(t testing.TB, s *space) {
	t.Helper()
	home, err := netns.Get()
	check0(t, err)
	check0(t, netns.Set(s.handle))
	t.Cleanup(func() {
		check0(t, netns.Set(home))
		home.Close()
	})
}

func netipFrom(b []byte) (netip.Addr, bool) { return netip.AddrFromSlice(b) }
