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
const layoutVersion = 4

// Limits of bpf/layout.h.
const (
	maxModules = 64
	maxGroups  = 64
	maxReasons = 64
	maxSaved   = 32764
	maxNode    = 64
	maxLinks   = 128
	vipBits    = 12
	ruleBits   = 15
	hintBits   = 10
	probes     = 4
	// A quarter of the places: then a seed is found within some hundred tries.
	maxVips  = 1 << (vipBits - 2)
	maxRules = 1 << (ruleBits - 2)
)

// address is struct addr: network order, IPv4 as ::ffff:a.b.c.d.
type address [16]byte

func addressOf(a netip.Addr) address { return a.As16() }

// enum by: what is hashed besides the client's address.
const (
	byAddress = 0
	byPort    = 1
	byIPID    = 2
)

// shareValue is struct share.
type shareValue struct {
	_     structs.HostLayout
	Group uint16
	By    uint8
	Set   uint8
}

// vipValue is struct vip.
type vipValue struct {
	_       structs.HostLayout
	Address address
	Ifindex uint32
	Ports   uint16
	Link    uint16
	Module  uint8
	Pad     uint8
	MAC     [6]byte
	Real4   [4]byte
	TCP     shareValue
	UDP     shareValue
	ARP     shareValue
	At      uint16
	VMAC    [6]byte
	Real6   [8]byte
}

// ruleValue is struct rule.
type ruleValue struct {
	_     structs.HostLayout
	Key   uint32
	Share shareValue
}

// indexValue is struct index.
type indexValue struct {
	_        structs.HostLayout
	VipSeed  uint64
	RuleSeed uint64
	Pad      [6]uint64
	Vip      [1<<vipBits + probes - 1]vipValue
	Rule     [1<<ruleBits + probes - 1]ruleValue
}

const (
	liveHalf   = 1
	liveAccept = 2
	liveAgreed = 4
	liveMoving = 8
)

// moduleValue is struct module.
type moduleValue struct {
	_       structs.HostLayout
	Mixer   [3]uint64
	Self    uint8
	Fence   uint8
	Live    uint8
	LowBits uint8
	Pad     [4]uint8
	Epoch   uint64
	Silent  uint64
}

// stateValue is struct state.
type stateValue struct {
	_      structs.HostLayout
	Index  uint32
	Pad    uint32
	Module [maxModules]moduleValue
}

// linkValue is struct link.
type linkValue struct {
	_    structs.HostLayout
	Seed uint64
	MAC  [2 * maxNode]uint64
	Hint [1 << hintBits]uint8
}

// tableValue is struct table.
type tableValue [share.Buckets]uint32

// The nodes of a row, and where the part in a hand-over is kept beside them: the
// lower bit of share.Hand above the owner, the upper one above the first
// previous owner.
const rowNodes = 0x7f7f7f7f

func withHand(row uint32, h share.Hand) uint32 { return row | uint32(h&1)<<7 | uint32(h>>1)<<15 }

func handOf(row uint32) share.Hand { return share.Hand(row>>7&1 | row>>14&2) }

// numClasses is how many classes of buckets there are: share.Classes.
const numClasses = 4

// countsValue is struct counts: frames by reason.
type countsValue [maxReasons]uint64

// strangerKey is struct stranger_key.
type strangerKey struct {
	_       structs.HostLayout
	Address address
	Ifindex uint32
	Pad     uint32
}

// strangerValue is struct stranger.
type strangerValue struct {
	_    structs.HostLayout
	MAC  uint64
	Seen uint64
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
	"drop-broadcast",
	"drop-arp-other",
	"drop-arp-announce",
	"drop-arp-interface",
	"accept-cookie",
	"drop-disagreed",
	"accept-fragment",
	"forward-fragment",
	"forward-handover",
	"drop-handover",
	"drop-other",
	"drop-stranger",
	"ndp-answer",
	"ndp-refresh",
	"ndp-mended",
	"drop-ndp-other",
	"drop-ndp-announce",
	"drop-no-room",
	"drop-ndp-own",
}
