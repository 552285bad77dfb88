package lab

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"strconv"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"
)

// A network is the lab's switch and the cables to its members. Its methods are
// not for concurrent use.
type network struct {
	place   place
	hub     netns.NsHandle
	members map[string]netns.NsHandle
	bridges int // lan0 … exist
	passes  []io.Closer
}

func bridgeName(group int) string { return "lan" + strconv.Itoa(group) }

// buildNetwork makes the switch. What it made before an error is removed by
// sweep, which goes by names.
func buildNetwork(p place) (*network, error) {
	hub, err := createNamespace(p.namespace(switchName))
	if err != nil {
		return nil, err
	}
	n := &network{place: p, hub: hub, members: map[string]netns.NsHandle{}}
	err = inside(hub, func() error {
		// In the switch's own namespace: nothing of IPv6 on its ports, and no packet
		// filter between them.
		quiet := []string{"/proc/sys/net/ipv6/conf/all/disable_ipv6=1", "/proc/sys/net/ipv6/conf/default/disable_ipv6=1",
			"/proc/sys/net/bridge/bridge-nf-call-iptables=0", "/proc/sys/net/bridge/bridge-nf-call-arptables=0"}
		return writeSettings(quiet)
	})
	if err != nil {
		return nil, errors.Join(err, n.close())
	}
	if err := n.bridge(0); err != nil {
		return nil, errors.Join(err, n.close())
	}
	return n, nil
}

// writeSettings writes kernel parameters of the thread's network namespace;
// those that the kernel does not have are left out.
func writeSettings(settings []string) error {
	for _, setting := range settings {
		path, value := setting[:len(setting)-2], setting[len(setting)-1:]
		file, err := os.OpenFile(path, os.O_WRONLY, 0)
		if errors.Is(err, os.ErrNotExist) {
			continue
		}
		if err != nil {
			return fmt.Errorf("set %s: %w", path, err)
		}
		_, err = file.WriteString(value)
		if err = errors.Join(err, file.Close()); err != nil {
			return fmt.Errorf("set %s: %w", path, err)
		}
	}
	return nil
}

// bridge makes the bridges up to that of a group exist.
func (n *network) bridge(group int) error {
	return n.onSwitch(func(h *netlink.Handle) error {
		for ; n.bridges <= group; n.bridges++ {
			off := false
			br := &netlink.Bridge{LinkAttrs: netlink.NewLinkAttrs(), MulticastSnooping: &off}
			br.Name = bridgeName(n.bridges)
			if err := h.LinkAdd(br); err != nil && !errors.Is(err, unix.EEXIST) {
				return fmt.Errorf("add bridge %s: %w", br.Name, err)
			}
			if err := h.LinkSetUp(br); err != nil {
				return fmt.Errorf("set bridge %s up: %w", br.Name, err)
			}
		}
		return nil
	})
}

func (n *network) onSwitch(do func(*netlink.Handle) error) error {
	h, err := netlink.NewHandleAt(n.hub, unix.NETLINK_ROUTE)
	if err != nil {
		return fmt.Errorf("open netlink in the lab's switch: %w", err)
	}
	defer h.Close()
	return do(h)
}

// connect makes a member: its namespace, the cable to the switch and its
// addresses.
func (n *network) connect(member string, attach func(int) (io.Closer, error), addresses ...netip.Addr) error {
	ns, err := createNamespace(n.place.namespace(member))
	if err != nil {
		return err
	}
	n.members[member] = ns
	last := addresses[0].As4()[3]
	cable := &netlink.Veth{
		LinkAttrs:        netlink.NewLinkAttrs(),
		PeerName:         nodePort,
		PeerNamespace:    netlink.NsFd(int(ns)),
		PeerHardwareAddr: net.HardwareAddr{2, 0, 10, 77, 0, last},
	}
	cable.Name = member
	cable.HardwareAddr = net.HardwareAddr{2, 0, 10, 77, 1, last}
	err = n.onSwitch(func(h *netlink.Handle) error { return plug(h, cable) })
	if err != nil {
		return fmt.Errorf("connect %s: %w", member, err)
	}
	// Offloads first: with an XDP program on one end the kernel takes the right to
	// switch some from the other.
	err = inside(ns, func() error { return offloadsOff(nodePort) })
	if err == nil {
		err = inside(n.hub, func() error { return n.smooth(member, attach) })
	}
	if err == nil {
		err = address(ns, addresses)
	}
	if err != nil {
		return fmt.Errorf("connect %s: %w", member, err)
	}
	return nil
}

func plug(h *netlink.Handle, cable *netlink.Veth) error {
	if err := h.LinkAdd(cable); err != nil {
		return fmt.Errorf("add its cable: %w", err)
	}
	lan, err := h.LinkByName(bridgeName(0))
	if err != nil {
		return fmt.Errorf("find the switch: %w", err)
	}
	if err := h.LinkSetMaster(cable, lan); err != nil {
		return fmt.Errorf("plug it in: %w", err)
	}
	return h.LinkSetUp(cable)
}

// smooth prepares a switch port for nodes that send frames from XDP. It runs in
// the switch's namespace.
func (n *network) smooth(port string, attach func(int) (io.Closer, error)) error {
	if err := offloadsOff(port); err != nil || attach == nil {
		return err
	}
	link, err := net.InterfaceByName(port)
	if err != nil {
		return fmt.Errorf("find switch port: %w", err)
	}
	pass, err := attach(link.Index)
	if err != nil {
		return fmt.Errorf("attach the pass program to switch port %s: %w", port, err)
	}
	n.passes = append(n.passes, pass)
	return nil
}

func address(ns netns.NsHandle, addresses []netip.Addr) error {
	h, err := netlink.NewHandleAt(ns, unix.NETLINK_ROUTE)
	if err != nil {
		return fmt.Errorf("open netlink: %w", err)
	}
	defer h.Close()
	for _, name := range []string{"lo", nodePort} {
		link, err := h.LinkByName(name)
		if err != nil {
			return fmt.Errorf("find %s: %w", name, err)
		}
		if err := h.LinkSetUp(link); err != nil {
			return fmt.Errorf("set %s up: %w", name, err)
		}
		if name == "lo" {
			continue
		}
		for _, a := range addresses {
			addr := &netlink.Addr{IPNet: &net.IPNet{IP: a.AsSlice(), Mask: net.CIDRMask(24, 32)}}
			if err := h.AddrAdd(link, addr); err != nil {
				return fmt.Errorf("add address %s: %w", a, err)
			}
		}
	}
	return nil
}

// cable sets a member's switch port up or down.
func (n *network) cable(member string, up bool) error {
	return n.onSwitch(func(h *netlink.Handle) error {
		port, err := h.LinkByName(member)
		if err != nil {
			return fmt.Errorf("find switch port %s: %w", member, err)
		}
		if up {
			err = h.LinkSetUp(port)
		} else {
			err = h.LinkSetDown(port)
		}
		if err != nil {
			return fmt.Errorf("set switch port %s: %w", member, err)
		}
		return nil
	})
}

// move plugs a member's cable into the bridge of a group. The member keeps its
// carrier, as when something breaks between two switches.
func (n *network) move(member string, group int) error {
	if err := n.bridge(group); err != nil {
		return err
	}
	return n.onSwitch(func(h *netlink.Handle) error {
		port, err := h.LinkByName(member)
		if err != nil {
			return fmt.Errorf("find switch port %s: %w", member, err)
		}
		lan, err := h.LinkByName(bridgeName(group))
		if err != nil {
			return fmt.Errorf("find bridge of group %d: %w", group, err)
		}
		if err := h.LinkSetMaster(port, lan); err != nil {
			return fmt.Errorf("move switch port %s to group %d: %w", member, group, err)
		}
		return nil
	})
}

// close lets go of handles and programs. Names and links are removed by sweep.
func (n *network) close() error {
	var errs []error
	for _, pass := range n.passes {
		errs = append(errs, pass.Close())
	}
	n.passes = nil
	for member, ns := range n.members {
		errs = append(errs, ns.Close())
		delete(n.members, member)
	}
	if n.hub.IsOpen() {
		errs = append(errs, n.hub.Close())
	}
	return errors.Join(errs...)
}
