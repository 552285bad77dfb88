package lab

import (
	"errors"
	"fmt"
	"net"
	"runtime"
	"unsafe"

	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"
)

// An offload is switched by one ethtool command and read by another
// (linux/ethtool.h).
type offload struct {
	name     string
	get, set uint32
}

var offloads = []offload{
	{"tx", unix.ETHTOOL_GTXCSUM, unix.ETHTOOL_STXCSUM},
	{"tso", unix.ETHTOOL_GTSO, unix.ETHTOOL_STSO},
	{"gso", unix.ETHTOOL_GGSO, unix.ETHTOOL_SGSO},
	{"sg", unix.ETHTOOL_GSG, unix.ETHTOOL_SSG},
}

type ethtoolValue struct{ cmd, data uint32 }

type ethtoolRequest struct {
	name [unix.IFNAMSIZ]byte
	data unsafe.Pointer
	_    [16]byte // the kernel reads a whole struct ifreq
}

// offloadsOff makes a veth carry frames as a wire would: whole, with their
// checksums. A frame that a filter sends back out keeps no note that its
// checksum is still to be computed. It works in the thread's namespace.
func offloadsOff(link string) error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("open a socket for ethtool: %w", err)
	}
	defer unix.Close(fd)
	for _, o := range offloads {
		// What cannot be switched may be off for good: the kernel does that to a veth
		// whose other end has an XDP program. The second loop finds out.
		if _, err := ethtool(fd, link, o.set, 0); err != nil && !errors.Is(err, unix.EOPNOTSUPP) {
			return fmt.Errorf("switch %s off on %s: %w", o.name, link, err)
		}
	}
	for _, o := range offloads {
		on, err := ethtool(fd, link, o.get, 0)
		if err != nil {
			return fmt.Errorf("read %s of %s: %w", o.name, link, err)
		}
		if on != 0 {
			return fmt.Errorf("%s of %s stays on", o.name, link)
		}
	}
	return nil
}

// asWire prepares a cable for nodes with filters.
func (n *network) asWire(ns netns.NsHandle, p *port) error {
	// Offloads first: with an XDP program on one end the kernel takes the right to
	// switch some from the other.
	if err := inside(ns, func() error { return offloadsOff(p.device) }); err != nil {
		return err
	}
	return inside(n.hub, func() error { return n.smooth(p.name) })
}

// smooth prepares a switch port for nodes that send frames from XDP. It runs in
// the switch's namespace.
func (n *network) smooth(port string) error {
	if err := offloadsOff(port); err != nil || n.attach == nil {
		return err
	}
	link, err := net.InterfaceByName(port)
	if err != nil {
		return fmt.Errorf("find switch port: %w", err)
	}
	pass, err := n.attach(link.Index)
	if err != nil {
		return fmt.Errorf("attach the pass program to switch port %s: %w", port, err)
	}
	n.passes = append(n.passes, pass)
	return nil
}

func ethtool(fd int, link string, cmd, data uint32) (uint32, error) {
	value := &ethtoolValue{cmd: cmd, data: data}
	request := ethtoolRequest{data: unsafe.Pointer(value)}
	copy(request.name[:unix.IFNAMSIZ-1], link)
	_, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), unix.SIOCETHTOOL, uintptr(unsafe.Pointer(&request)))
	runtime.KeepAlive(value)
	if errno != 0 {
		return 0, errno
	}
	return value.data, nil
}
