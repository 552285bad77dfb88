package lab

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"
)

// A network is the lab's switch and the cables to its members. Its methods are
// not for concurrent use.
type network struct {
	place   place
	mtu     int
	attach  func(ifindex int) (io.Closer, error)
	offload bool // Options.Offloads
	hub     netns.NsHandle
	members map[string]netns.NsHandle
	ports   map[string][]*port // by member
	bridges []string           // exist
	passes  []io.Closer
}

// port is where a member's cable is plugged in at the switch.
type port struct {
	name    string
	network int
	device  string      // at the member's end
	hosts   []int       // last digits of its addresses
	gone    atomic.Bool // with the member's device; Status looks at any time
}

// buildNetwork makes the switch. What it made before an error is removed by
// sweep, which goes by names.
func buildNetwork(o Options) (*network, error) {
	p := o.place()
	hub, err := createNamespace(p.namespace(switchName))
	if err != nil {
		return nil, err
	}
	n := &network{place: p, mtu: o.MTU, attach: o.AttachPass, offload: o.Offloads, hub: hub, members: map[string]netns.NsHandle{}, ports: map[string][]*port{}}
	// In the switch's own namespace: nothing of IPv6 on its ports, and no packet
	// filter between them.
	err = inside(hub, func() error {
		return writeSettings("net/ipv6/conf/all/disable_ipv6=1", "net/ipv6/conf/default/disable_ipv6=1",
			"net/bridge/bridge-nf-call-iptables=0", "net/bridge/bridge-nf-call-arptables=0", "net/bridge/bridge-nf-call-ip6tables=0")
	})
	if err != nil {
		return nil, errors.Join(err, n.close())
	}
	return n, nil
}

// writeSettings writes kernel parameters, as sysctl(8) names them, of the thread's
// network namespace; those that the kernel does not have are left out.
func writeSettings(settings ...string) error {
	for _, setting := range settings {
		name, value, _ := strings.Cut(setting, "=")
		file, err := os.OpenFile("/proc/sys/"+name, os.O_WRONLY, 0)
		if errors.Is(err, os.ErrNotExist) {
			continue
		}
		if err != nil {
			return fmt.Errorf("set %s: %w", name, err)
		}
		_, err = file.WriteString(value)
		if err = errors.Join(err, file.Close()); err != nil {
			return fmt.Errorf("set %s: %w", name, err)
		}
	}
	return nil
}

// bridge makes the bridge of a network exist, or that of a side of a partition of
// it, and answers its name.
func (n *network) bridge(network, group int) (string, error) {
	name := "lan" + strconv.Itoa(group)
	if network > 0 {
		name = fmt.Sprintf("lan%d-%d", group, network+1)
	}
	if slices.Contains(n.bridges, name) {
		return name, nil
	}
	err := n.onSwitch(func(h *netlink.Handle) error {
		off := false
		br := &netlink.Bridge{LinkAttrs: netlink.NewLinkAttrs(), MulticastSnooping: &off}
		br.Name, br.MTU = name, n.mtu
		if err := h.LinkAdd(br); err != nil {
			return fmt.Errorf("add bridge %s: %w", name, err)
		}
		if err := h.LinkSetUp(br); err != nil {
			return fmt.Errorf("set bridge %s up: %w", name, err)
		}
		return nil
	})
	if err == nil {
		n.bridges = append(n.bridges, name)
	}
	return name, err
}

func (n *network) onSwitch(do func(*netlink.Handle) error) error { return with(n.hub, do) }

// with calls do with a netlink handle of a namespace.
func with(ns netns.NsHandle, do func(*netlink.Handle) error) error {
	h, err := netlink.NewHandleAt(ns, unix.NETLINK_ROUTE)
	if err != nil {
		return fmt.Errorf("open netlink: %w", err)
	}
	defer h.Close()
	return do(h)
}

// member makes a member's namespace exist.
func (n *network) member(name string) (netns.NsHandle, error) {
	if ns, ok := n.members[name]; ok {
		return ns, nil
	}
	ns, err := createNamespace(n.place.namespace(name))
	if err != nil {
		return ns, err
	}
	n.members[name] = ns
	// Nobody else is there who could have an address: they are good at once (RFC
	// 4862, section 5.4: DupAddrDetectTransmits), whatever the machine's defaults are.
	err = inside(ns, func() error {
		return writeSettings("net/ipv6/conf/default/dad_transmits=0", "net/ipv6/conf/default/accept_dad=0",
			"net/ipv6/conf/default/accept_ra=0", "net/ipv6/conf/all/disable_ipv6=0", "net/ipv6/conf/default/disable_ipv6=0")
	})
	if err == nil {
		err = with(ns, func(h *netlink.Handle) error { return setUp(h, "lo") })
	}
	return ns, err
}

// connect gives a member its next interface (eth0, eth1), in a network.
func (n *network) connect(member string, network int, hosts ...int) error {
	if _, err := n.member(member); err != nil {
		return err
	}
	p := &port{name: member, network: network, device: eth(len(n.ports[member])), hosts: hosts}
	if network > 0 {
		p.name = fmt.Sprintf("%s-%d", member, network+1)
	}
	n.ports[member] = append(n.ports[member], p)
	if err := n.wire(n.members[member], p); err != nil {
		return fmt.Errorf("connect %s: %w", member, err)
	}
	return nil
}

// wire makes the cable from a port to a namespace, and the addresses there.
func (n *network) wire(ns netns.NsHandle, p *port) error {
	lan, err := n.bridge(p.network, 0)
	if err != nil {
		return err
	}
	cable := n.cableTo(ns, p.device, p.network, p.hosts[0])
	cable.Name = p.name
	if err := n.onSwitch(func(h *netlink.Handle) error { return plug(h, cable, lan) }); err != nil {
		return err
	}
	if !n.offload {
		if err := n.asWire(ns, p); err != nil {
			return err
		}
	}
	return with(ns, func(h *netlink.Handle) error {
		link, err := h.LinkByName(p.device)
		if err != nil {
			return fmt.Errorf("find its interface: %w", err)
		}
		return errors.Join(queue(h, link), address(h, p.device, p.network, p.hosts))
	})
}

func eth(index int) string { return "eth" + strconv.Itoa(index) }

// cableTo is a cable whose far end is in a namespace.
func (n *network) cableTo(ns netns.NsHandle, name string, network, host int) *netlink.Veth {
	cable := &netlink.Veth{
		LinkAttrs:        netlink.NewLinkAttrs(),
		PeerName:         name,
		PeerNamespace:    netlink.NsFd(int(ns)),
		PeerHardwareAddr: net.HardwareAddr{2, 0, 10, byte(77 + network), 0, byte(host)},
		PeerMTU:          uint32(n.mtu),
	}
	cable.HardwareAddr = net.HardwareAddr{2, 0, 10, byte(77 + network), 1, byte(host)}
	cable.MTU = n.mtu
	return cable
}

func plug(h *netlink.Handle, cable *netlink.Veth, bridge string) error {
	if err := h.LinkAdd(cable); err != nil {
		return fmt.Errorf("add its cable: %w", err)
	}
	lan, err := h.LinkByName(bridge)
	if err != nil {
		return fmt.Errorf("find the switch: %w", err)
	}
	if err := h.LinkSetMaster(cable, lan); err != nil {
		return fmt.Errorf("plug it in: %w", err)
	}
	if err := queue(h, cable); err != nil {
		return err
	}
	return h.LinkSetUp(cable)
}

// queue lets frames wait where they enter a cable, as a network card does: a veth by itself
// drops what comes while 256 frames are on their way. The kernel holds a queue back
// since Linux 6.16; before, it does no harm.
func queue(h *netlink.Handle, link netlink.Link) error {
	fifo := &netlink.GenericQdisc{QdiscType: "pfifo", QdiscAttrs: netlink.QdiscAttrs{
		LinkIndex: link.Attrs().Index, Handle: netlink.MakeHandle(1, 0), Parent: netlink.HANDLE_ROOT,
	}}
	if err := h.QdiscReplace(fifo); err != nil {
		return fmt.Errorf("give its cable a queue: %w", err)
	}
	return nil
}

func setUp(h *netlink.Handle, name string) error {
	link, err := h.LinkByName(name)
	if err == nil {
		err = h.LinkSetUp(link)
	}
	if err != nil {
		return fmt.Errorf("set %s up: %w", name, err)
	}
	return nil
}

// sixIsThere says whether the kernel has IPv6; without it a lab has IPv4 alone.
func sixIsThere() bool {
	_, err := os.Stat("/proc/sys/net/ipv6")
	return err == nil
}

// address gives an interface its addresses of both families.
func address(h *netlink.Handle, name string, network int, hosts []int) error {
	if err := setUp(h, name); err != nil {
		return err
	}
	link, err := h.LinkByName(name)
	if err != nil {
		return fmt.Errorf("find %s: %w", name, err)
	}
	for _, last := range hosts {
		prefixes := []netip.Prefix{host(network, last, false)}
		if sixIsThere() {
			prefixes = append(prefixes, host(network, last, true))
		}
		for _, p := range prefixes {
			addr := &netlink.Addr{IPNet: ipNet(p)}
			if p.Addr().Is6() {
				addr.Flags = unix.IFA_F_NODAD
			}
			if err := h.AddrAdd(link, addr); err != nil {
				return fmt.Errorf("add address %s: %w", p, err)
			}
		}
	}
	return nil
}

// cable sets a member's switch ports up or down: that in one network, 1 or 2, or
// all of them for 0.
func (n *network) cable(member string, network int, up bool) error {
	return n.onSwitch(func(h *netlink.Handle) error {
		for _, p := range n.portsOf(member, network) {
			if p.gone.Load() {
				continue
			}
			port, err := h.LinkByName(p.name)
			if err == nil && up {
				err = h.LinkSetUp(port)
			} else if err == nil {
				err = h.LinkSetDown(port)
			}
			if err != nil {
				return fmt.Errorf("set switch port %s: %w", p.name, err)
			}
		}
		return nil
	})
}

// unplug takes a member's interfaces away, with everything that they have.
func (n *network) unplug(member string, network int) error {
	for _, p := range n.portsOf(member, network) {
		if p.gone.Load() {
			continue
		}
		err := n.onSwitch(func(h *netlink.Handle) error {
			end, err := h.LinkByName(p.name)
			if err != nil {
				return err
			}
			return h.LinkDel(end) // and so its other end
		})
		if err != nil {
			return fmt.Errorf("unplug %s of %s: %w", p.device, member, err)
		}
		p.gone.Store(true)
	}
	return nil
}

// replug gives a member back what unplug took, as new interfaces of the same names
// and addresses.
func (n *network) replug(member string) error {
	for _, p := range n.ports[member] {
		if !p.gone.Load() {
			continue
		}
		if err := n.wire(n.members[member], p); err != nil {
			return fmt.Errorf("plug in %s of %s: %w", p.device, member, err)
		}
		p.gone.Store(false)
	}
	return nil
}

func (n *network) portsOf(member string, network int) []*port {
	var list []*port
	for _, p := range n.ports[member] {
		if network == 0 || p.network == network-1 {
			list = append(list, p)
		}
	}
	return list
}

// move plugs a member's cables into the bridges of a group. The member keeps its
// carrier, as when something breaks between two switches.
func (n *network) move(member string, group int) error {
	for _, p := range n.ports[member] {
		if p.gone.Load() {
			continue
		}
		name, err := n.bridge(p.network, group)
		if err != nil {
			return err
		}
		err = n.onSwitch(func(h *netlink.Handle) error {
			lan, err := h.LinkByName(name)
			if err != nil {
				return err
			}
			end, err := h.LinkByName(p.name)
			if err != nil {
				return err
			}
			return h.LinkSetMaster(end, lan)
		})
		if err != nil {
			return fmt.Errorf("move switch port %s to group %d: %w", p.name, group, err)
		}
	}
	return nil
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
