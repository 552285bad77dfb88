//go:build linux

package ebpf

import (
	"net/netip"
	"structs"

	"github.com/orchestrator-ha/orchestrator/core/share"
)

// layoutVersion changes whenever the meaning or size of anything in
// bpf/layout.h does: pinned state of another version is thrown away, not
// misread.
const layoutVersion = 1

// Limits of bpf/layout.h.
const (
	maxModules = 64
	maxGroups  = 64
	maxReasons = 32
	maxSaved   = 32764
	maxNode    = 64
)

// The protocols of rules, as IP numbers them.
const protocolTCP = 6

// address is struct addr: network order, IPv4 as ::ffff:a.b.c.d.
type address [16]byte

func addressOf(a netip.Addr) address { return a.As16() }

// vipKey is struct addr_key.
type vipKey struct {
	_       structs.HostLayout
	Address address
	Ifindex uint32
}

// shareValue is struct share.
type shareValue struct {
	_      structs.HostLayout
	Group  uint16
	ByPort uint8
	Set    uint8
}

// vipValue is struct vip.
type vipValue struct {
	_        structs.HostLayout
	Module   uint8
	HasPorts uint8
	MAC      [6]byte
	Real4    [4]byte
	TCP      shareValue
	UDP      shareValue
	ARP      shareValue
}

// ruleKey is struct rule_key.
type ruleKey struct {
	_        structs.HostLayout
	Address  address
	Port     uint16
	Protocol uint8
	Pad      uint8
}

const (
	liveHalf   = 1
	liveAccept = 2
	liveAgreed = 4
)

// moduleValue is struct module.
type moduleValue struct {
	_     structs.HostLayout
	Key   [16]byte
	Self  uint8
	Fence uint8
	Live  uint8
	Pad   [5]uint8
}

// tableValue is struct table.
type tableValue [share.Buckets]uint32

// macKey is struct mac_key.
type macKey struct {
	_       structs.HostLayout
	Ifindex uint32
	Module  uint16
	Node    uint16
}

// macValue is struct mac.
type macValue struct {
	_   structs.HostLayout
	MAC [6]byte
	Pad [2]byte
}

// peerKey is struct peer_key.
type peerKey struct {
	_       structs.HostLayout
	Ifindex uint32
	Module  uint16
	MAC     [6]byte
}

// savedValue is struct saved.
type savedValue struct {
	_    structs.HostLayout
	Len  uint32
	JSON [maxSaved]byte
}

// reasonNames are the names of enum reason, in its order; what a person sees
// behind module/ in the counters.
var reasonNames = [...]string{
	"accept-new",
	"accept-owner",
	"accept-socket",
	"accept-reset",
	"accept-echo",
	"forward-new",
	"forward-owner",
	"forward-previous",
	"forward-echo",
	"arp-answer",
	"arp-refresh",
	"arp-mended",
	"drop-no-rule",
	"drop-lease",
	"drop-not-ready",
	"drop-nobody",
	"drop-no-mac",
	"drop-ttl",
	"drop-malformed",
	"drop-fragment",
	"drop-broadcast",
	"drop-arp-other",
	"drop-arp-announce",
	"drop-arp-interface",
	"accept-cookie",
	"drop-disagreed",
}
