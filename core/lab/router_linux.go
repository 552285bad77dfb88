package lab

import (
	"fmt"
	"net"
	"net/netip"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
)

// addRouter makes the router, on the first network, and the far client behind it.
// The router's end of the cable between them has the smaller MTU, so that it is
// the router who says that a packet is too big; the far client knows nothing of it
// and announces a larger segment size.
func (n *network) addRouter() error {
	if err := n.connect(Router, firstNetwork, routerHost); err != nil {
		return err
	}
	router := n.members[Router]
	far, err := n.member(Far)
	if err != nil {
		return err
	}
	cable := n.cableTo(far, eth(0), farNetwork, clientHost)
	cable.Name = eth(1)
	err = with(router, func(h *netlink.Handle) error {
		if err := h.LinkAdd(cable); err != nil {
			return fmt.Errorf("add the cable to %s: %w", Far, err)
		}
		return h.LinkSetMTU(cable, FarMTU)
	})
	if err == nil {
		err = inside(router, func() error {
			return writeSettings("net/ipv4/ip_forward=1", "net/ipv6/conf/all/forwarding=1")
		})
	}
	if err == nil {
		err = inside(far, func() error { return offloadsOff(eth(0)) })
	}
	if err == nil {
		err = inside(router, func() error { return offloadsOff(eth(1)) })
	}
	if err == nil {
		err = with(router, func(h *netlink.Handle) error { return address(h, eth(1), farNetwork, []int{routerHost}) })
	}
	if err == nil {
		err = with(far, func(h *netlink.Handle) error { return address(h, eth(0), farNetwork, []int{clientHost}) })
	}
	if err == nil {
		err = route(far, eth(0), firstNetwork, farNetwork)
	}
	if err != nil {
		return fmt.Errorf("build the router: %w", err)
	}
	return nil
}

// farRoute tells a node the way to the far client.
func (n *network) farRoute(member string) error {
	if err := route(n.members[member], eth(0), farNetwork, firstNetwork); err != nil {
		return fmt.Errorf("tell %s the way to %s: %w", member, Far, err)
	}
	return nil
}

// route leads to a network by the router, which is on the network via.
func route(ns netns.NsHandle, device string, to, via int) error {
	return with(ns, func(h *netlink.Handle) error {
		link, err := h.LinkByName(device)
		if err != nil {
			return fmt.Errorf("find %s: %w", device, err)
		}
		families := []bool{false}
		if sixIsThere() {
			families = append(families, true)
		}
		for _, six := range families {
			dst := host(to, 0, six).Masked()
			if err := h.RouteAdd(&netlink.Route{LinkIndex: link.Attrs().Index, Dst: ipNet(dst), Gw: host(via, routerHost, six).Addr().AsSlice()}); err != nil {
				return fmt.Errorf("add the route to %s: %w", dst, err)
			}
		}
		return nil
	})
}

func ipNet(p netip.Prefix) *net.IPNet {
	return &net.IPNet{IP: p.Addr().AsSlice(), Mask: net.CIDRMask(p.Bits(), p.Addr().BitLen())}
}
