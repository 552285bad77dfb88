package lab

import (
	"errors"
	"io"
	"os"
	"testing"
	"unsafe"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// passProgram loads an XDP program that lets everything pass, by bpf(2) itself.
func passProgram() (*os.File, error) {
	code := []byte{
		0xb7, 0, 0, 0, 2, 0, 0, 0, // r0 = XDP_PASS
		0x95, 0, 0, 0, 0, 0, 0, 0, // exit
	}
	license := []byte("GPL\x00")
	attr := struct {
		kind, count   uint32
		code, license unsafe.Pointer
		_             [96]byte
	}{kind: unix.BPF_PROG_TYPE_XDP, count: 2, code: unsafe.Pointer(&code[0]), license: unsafe.Pointer(&license[0])}
	fd, _, errno := unix.Syscall(unix.SYS_BPF, unix.BPF_PROG_LOAD, uintptr(unsafe.Pointer(&attr)), unsafe.Sizeof(attr))
	if errno != 0 {
		return nil, errno
	}
	return os.NewFile(fd, "xdp"), nil
}

func attachPass(index int) (io.Closer, error) {
	program, err := passProgram()
	if err != nil {
		return nil, err
	}
	link, err := netlink.LinkByIndex(index)
	if err != nil {
		return nil, errors.Join(err, program.Close())
	}
	return program, netlink.LinkSetXdpFd(link, int(program.Fd()))
}

func TestSwitchPortsWithXDP(t *testing.T) {
	o := testOptions(t, 2)
	o.AttachPass = attachPass
	o.HostPort = -1
	l := start(t, o)
	for _, from := range []string{Client, "n1"} {
		reached(t, l, from, NodeAddress(2), "/")
	}
	// The offloads stay off when programs come and go.
	for _, member := range []string{Client, "n1", "n2"} {
		if err := inside(l.net.members[member], func() error { return offloadsOff(eth(0)) }); err != nil {
			t.Error(err)
		}
		if err := inside(l.net.hub, func() error { return offloadsOff(member) }); err != nil {
			t.Error(err)
		}
	}
	err := l.net.onSwitch(func(h *netlink.Handle) error {
		port, err := h.LinkByName("n1")
		if err == nil && (port.Attrs().Xdp == nil || !port.Attrs().Xdp.Attached) {
			t.Error("no XDP program on the switch's port of n1")
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}
