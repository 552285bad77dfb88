package ebpf

import (
	"encoding/binary"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"syscall"

	"github.com/orchestrator-ha/orchestrator/sdk"
)

// bind finds an interface and what the filter must know of it. virtual are the
// addresses that are not its own.
func bind(name string, near []netip.Addr, virtual map[netip.Addr]bool) (boundInterface, error) {
	i, err := net.InterfaceByName(name)
	if err != nil {
		return boundInterface{}, fmt.Errorf("find interface %s: %w; this node has %s", name, err, interfaceNames())
	}
	b := boundInterface{Name: name, Index: i.Index}
	if len(i.HardwareAddr) != len(b.MAC) {
		return boundInterface{}, fmt.Errorf("interface %s has no Ethernet address, so nothing on it can be shared; name another", name)
	}
	b.MAC = sdk.MAC(i.HardwareAddr)
	addrs, err := i.Addrs()
	if err != nil {
		return boundInterface{}, fmt.Errorf("read the addresses of interface %s: %w", name, err)
	}
	b.Real4, b.Real6 = realAddress(addrs, near, virtual), linkLocal(addrs, virtual)
	return b, nil
}

// linkLocal is the lower half of the interface's own link-local address (fe80::/64,
// RFC 4291, section 2.5.6), zero if it has none.
func linkLocal(addrs []net.Addr, virtual map[netip.Addr]bool) [8]byte {
	for _, a := range addrs {
		p, err := netip.ParsePrefix(a.String())
		if err == nil && p.Addr().Is6() && p.Addr().IsLinkLocalUnicast() && !virtual[p.Addr()] {
			full := p.Addr().As16()
			return [8]byte(full[8:])
		}
	}
	return [8]byte{}
}

// realAddress chooses an IPv4 address that is not virtual, best one of the same
// network as the virtual addresses.
func realAddress(addrs []net.Addr, near []netip.Addr, virtual map[netip.Addr]bool) [4]byte {
	var found [4]byte
	for _, a := range addrs {
		p, err := netip.ParsePrefix(a.String())
		if err != nil || !p.Addr().Is4() || virtual[p.Addr()] {
			continue
		}
		for _, v := range near {
			if p.Masked().Contains(v.Unmap()) {
				return p.Addr().As4()
			}
		}
		if found == ([4]byte{}) {
			found = p.Addr().As4()
		}
	}
	return found
}

func interfaceNames() string {
	all, err := net.Interfaces()
	if err != nil {
		return "no interface that could be listed"
	}
	var names []string
	for _, i := range all {
		if i.Flags&net.FlagLoopback == 0 {
			names = append(names, i.Name)
		}
	}
	if len(names) == 0 {
		return "no interface"
	}
	return strings.Join(names, ", ")
}

// Attributes of a link message, linux/if_link.h.
const (
	attrLinkInfo    = 18
	attrInfoKind    = 1
	attrXDP         = 43
	attrXDPAttached = 2
	attrXDPProgram  = 4
	xdpNative       = 1
	attrKindMask    = 0x3fff // without the nested and byte order flags
)

// linkAttributes are what the kernel tells of an interface.
func linkAttributes(ifindex int) ([]byte, error) {
	raw, err := syscall.NetlinkRIB(syscall.RTM_GETLINK, syscall.AF_UNSPEC)
	if err != nil {
		return nil, fmt.Errorf("list interfaces through netlink: %w", err)
	}
	msgs, err := syscall.ParseNetlinkMessage(raw)
	if err != nil {
		return nil, fmt.Errorf("read the list of interfaces: %w", err)
	}
	for _, m := range msgs {
		if m.Header.Type != syscall.RTM_NEWLINK || len(m.Data) < syscall.SizeofIfInfomsg {
			continue
		}
		if int(int32(binary.NativeEndian.Uint32(m.Data[4:]))) == ifindex {
			return m.Data[syscall.SizeofIfInfomsg:], nil
		}
	}
	return nil, fmt.Errorf("interface number %d is gone", ifindex)
}

// attachedXDP reads which XDP program an interface runs: its id, 0 for none, and
// whether the driver runs it.
func attachedXDP(ifindex int) (id uint32, native bool, err error) {
	attrs, err := linkAttributes(ifindex)
	if err != nil {
		return 0, false, err
	}
	id, native = xdpOf(attrs)
	return id, native, nil
}

// kindOf is what sort of interface the kernel made, such as veth; empty for a card.
func kindOf(ifindex int) (kind string, err error) {
	attrs, err := linkAttributes(ifindex)
	if err != nil {
		return "", err
	}
	eachAttr(attrs, func(attr uint16, info []byte) {
		if attr != attrLinkInfo {
			return
		}
		eachAttr(info, func(attr uint16, value []byte) {
			if attr == attrInfoKind {
				kind = strings.TrimRight(string(value), "\x00")
			}
		})
	})
	return kind, nil
}

func xdpOf(attrs []byte) (id uint32, native bool) {
	eachAttr(attrs, func(kind uint16, value []byte) {
		if kind != attrXDP {
			return
		}
		eachAttr(value, func(kind uint16, value []byte) {
			switch {
			case kind == attrXDPAttached && len(value) >= 1:
				native = value[0] == xdpNative
			case kind == attrXDPProgram && len(value) >= 4:
				id = binary.NativeEndian.Uint32(value)
			}
		})
	})
	return id, native
}

// eachAttr walks netlink attributes: length, kind, value, padded to four bytes.
func eachAttr(b []byte, f func(kind uint16, value []byte)) {
	for len(b) >= 4 {
		n := int(binary.NativeEndian.Uint16(b))
		if n < 4 || n > len(b) {
			return
		}
		f(binary.NativeEndian.Uint16(b[2:])&attrKindMask, b[4:n])
		b = b[min((n+3)&^3, len(b)):]
	}
}
