package main

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
)

// defaultNetwork is the name of the network of an address given without one.
const defaultNetwork = "default"

// parseAddresses reads ADDR and NET=ADDR, as a flag was given.
func parseAddresses(flag string, given []string) (map[string]string, error) {
	all := map[string]string{}
	for _, text := range given {
		network, address, named := strings.Cut(text, "=")
		if !named {
			network, address = defaultNetwork, text
		}
		addr, err := netip.ParseAddr(address)
		if err != nil || network == "" {
			return nil, usagef("--%s %q is not ADDRESS or NETWORK=ADDRESS, such as 10.0.0.1 or backup=10.1.0.1", flag, text)
		}
		if other, twice := all[network]; twice {
			return nil, usagef("network %s has two addresses, %s and %s: give the second network a name, such as backup=%s", network, other, addr, addr)
		}
		all[network] = addr.String()
	}
	return all, nil
}

// candidate is an address that this machine could use in a cluster.
type candidate struct {
	iface string
	addr  netip.Addr
}

// guessAddress is the one address of this machine that can be meant.
func guessAddress(addresses []candidate) (netip.Addr, error) {
	if len(addresses) == 1 {
		return addresses[0].addr, nil
	}
	if len(addresses) == 0 {
		return netip.Addr{}, errors.New("this machine has no network address besides its own loopback: set one up, or give one with --address")
	}
	var list []string
	for _, a := range addresses {
		list = append(list, fmt.Sprintf("  --address %s (%s)", a.addr, a.iface))
	}
	return netip.Addr{}, fmt.Errorf("this machine has several addresses; say by which one the other servers reach it:\n%s", strings.Join(list, "\n"))
}

// ownAddresses are the addresses by which other machines may reach this one: of
// the IPv4 ones those that are not loopback, link-local or of a bridge of
// containers, else the IPv6 ones.
func ownAddresses() ([]candidate, error) {
	interfaces, err := net.Interfaces()
	if err != nil {
		return nil, fmt.Errorf("list the network interfaces: %w", err)
	}
	var four, six []candidate
	for _, i := range interfaces {
		if i.Flags&net.FlagUp == 0 || i.Flags&net.FlagLoopback != 0 || containers(i.Name) {
			continue
		}
		addresses, err := i.Addrs()
		if err != nil {
			return nil, fmt.Errorf("list the addresses of %s: %w", i.Name, err)
		}
		for _, a := range addresses {
			prefix, err := netip.ParsePrefix(a.String())
			if err != nil || !prefix.Addr().IsGlobalUnicast() {
				continue
			}
			if addr := prefix.Addr().Unmap(); addr.Is4() {
				four = append(four, candidate{i.Name, addr})
			} else {
				six = append(six, candidate{i.Name, addr})
			}
		}
	}
	if len(four) > 0 {
		return four, nil
	}
	return six, nil
}

// containers says that an interface leads to containers or virtual machines on
// this very machine.
func containers(name string) bool {
	return slices.ContainsFunc([]string{"docker", "br-", "virbr", "veth", "cni", "podman", "lxcbr"}, func(prefix string) bool {
		return strings.HasPrefix(name, prefix)
	})
}

// thisNode completes what init and join know of this server: its name, and its
// addresses by network.
func thisNode(name string, given []string, hostname func() (string, error)) (string, map[string]string, error) {
	if name == "" {
		host, err := hostname()
		if err != nil {
			return "", nil, fmt.Errorf("find this machine's name: %w; give one with --name", err)
		}
		name, _, _ = strings.Cut(host, ".")
	}
	addresses, err := parseAddresses("address", given)
	if err != nil || len(addresses) > 0 {
		return name, addresses, err
	}
	own, err := ownAddresses()
	if err != nil {
		return "", nil, err
	}
	if routed, ok := routedAddress(); ok && slices.ContainsFunc(own, func(c candidate) bool { return c.addr == routed }) {
		own = []candidate{{addr: routed}}
	}
	addr, err := guessAddress(own)
	if err != nil {
		return "", nil, err
	}
	return name, map[string]string{defaultNetwork: addr.String()}, nil
}

// routedAddress is the address from which this machine would send to the
// outside. Connecting a UDP socket sends nothing; 192.0.2.1 is an address for
// documentation (RFC 5737).
func routedAddress() (netip.Addr, bool) {
	conn, err := net.DialUDP("udp4", nil, net.UDPAddrFromAddrPort(netip.MustParseAddrPort("192.0.2.1:9")))
	if err != nil {
		return netip.Addr{}, false
	}
	defer conn.Close() //nolint:errcheck // nothing was sent
	local, ok := netip.AddrFromSlice(conn.LocalAddr().(*net.UDPAddr).IP)
	return local.Unmap(), ok
}
