package lab

import (
	"fmt"
	"net/netip"
)

// The networks of a lab. Each has IPv4 and IPv6 addresses with the same last
// digits: 10.77.0.12 and fd77::12.
const (
	firstNetwork  = 0 // 10.77.0.0/24, fd77::/64: nodes, client, router
	secondNetwork = 1 // 10.78.0.0/24, fd78::/64: the nodes, when there are two networks
	farNetwork    = 2 // 10.79.0.0/24, fd79::/64: behind the router

	clientHost = 200
	routerHost = 254
)

const (
	// SuggestedVIP and SuggestedVIP6 are free in every lab: good virtual addresses
	// for a module.
	SuggestedVIP  = "10.77.0.100"
	SuggestedVIP6 = "fd77::100"
)

// host is an address with its network's length.
func host(network, last int, six bool) netip.Prefix {
	if six {
		return netip.PrefixFrom(netip.MustParseAddr(fmt.Sprintf("fd%d::%d", 77+network, last)), 64)
	}
	return netip.PrefixFrom(netip.AddrFrom4([4]byte{10, byte(77 + network), 0, byte(last)}), 24)
}

// NodeAddress is the IPv4 address of node number 1, 2, …
func NodeAddress(number int) netip.Addr { return host(firstNetwork, number, false).Addr() }

// NodeAddress6 is its IPv6 address.
func NodeAddress6(number int) netip.Addr { return host(firstNetwork, number, true).Addr() }

// ClientAddress is the IPv4 address of the client; index 1 to 16 are the further
// ones that Options.ClientAddresses asks for.
func ClientAddress(index int) netip.Addr {
	return host(firstNetwork, clientHost+index, false).Addr()
}

// ClientAddress6 is the same for IPv6.
func ClientAddress6(index int) netip.Addr {
	return host(firstNetwork, clientHost+index, true).Addr()
}

// FarAddress is the address of the client behind the router.
func FarAddress(six bool) netip.Addr { return host(farNetwork, clientHost, six).Addr() }
