package sdk

import (
	"context"
	"net/netip"
)

// MAC is an Ethernet address.
type MAC [6]byte

// HashMode chooses what of a client decides its bucket.
type HashMode string

const (
	HashAddress HashMode = "on_addr" // client address
	HashPort    HashMode = "on_port" // client address and port
	HashIPID    HashMode = "on_ipid" // client address and identification field of IPv4; UDP only
)

// HashFunction turns what a HashMode chooses into a bucket. All nodes of a
// cluster use the same; package core/share computes both.
type HashFunction string

const (
	HashKeyed   HashFunction = "keyed"    // mixes all bits under the cluster's secret key
	HashLowBits HashFunction = "low_bits" // the lowest bits of port or address, as a Windows filter can
)

// FilterRule names traffic to a virtual address that is shared.
type FilterRule struct {
	Address  netip.Addr // zero: every address of the configuration
	Port     uint16     // 0: every port
	Protocol string     // tcp, udp or arp
	Hash     HashMode
}

// FilterGroup is a set of rules that share one table.
type FilterGroup struct {
	Name  string
	Rules []FilterRule
}

// FilterInterface is a network interface and the virtual addresses held on it.
type FilterInterface struct {
	Name      string
	Directed  bool // vmac_directed; false is vmac_invisible
	Addresses []netip.Addr
	MACs      []MAC // vmac_invisible: the virtual MAC of each address; empty in directed mode
}

// FilterConfig is the whole wish of one module, replacing any earlier one.
type FilterConfig struct {
	Module     string
	Self       uint8    // this node's number
	HashKey    [16]byte // one for the cluster, secret
	Hash       HashFunction
	Fence      bool // stop serving when the lease runs out; false keeps the last table
	Interfaces []FilterInterface
	Groups     []FilterGroup
}

// FilterTable says who owns which bucket of each group, at one moment. It
// replaces the table before it in one step. See package core/share for the
// meaning of rows.
type FilterTable struct {
	Module string
	Epoch  uint64
	Accept bool             // the application here is ready; false accepts nothing new
	Agreed bool             // all nodes are known to use this table, so RST may be sent
	Moving bool             // another table of the same plan follows at once
	Silent uint64           // mask of nodes (bit number-1) whose leases have run out: they take nothing now
	Groups map[string][]Row // by group name
	MACs   map[uint8][]MAC  // node number → its real address per interface, in the order of the configuration
}

// Row is one bucket: owner in the lowest byte, then up to three previous
// owners, the latest first. 0 is nobody.
type Row uint32

// FilterAttachment says how an interface is filtered.
type FilterAttachment struct {
	Interface string
	Index     int
	MAC       MAC    // the interface's real address
	How       string // xdp-native, xdp-generic or tcx; empty: not any more, and Note says why
	Note      string // why not something faster, empty if nothing is faster
}

// FilterStranger is a machine that claims a virtual address by ARP or neighbour
// discovery without being a node that holds it.
type FilterStranger struct {
	Interface string
	Address   netip.Addr
	MAC       MAC
	Seen      uint64 // last time, CLOCK_BOOTTIME, ns
}

// FilterCount is how many packets met the same end for the same reason. Those without
// a group met it before a bucket was asked for.
type FilterCount struct {
	Module  string
	Group   string
	Class   string // what the bucket was to this node: own, other, own-moving, other-moving; see share.Class
	Reason  string // e.g. accept-owner
	Packets uint64
}

// FilterState is what a filter shows of itself.
type FilterState struct {
	Modules     []string // that the filter has, also those of an earlier process
	Attachments []FilterAttachment
	Counters    map[string]uint64 // by module/reason, e.g. web_farm/accept-owner
	Packets     []FilterCount     // the same by group and class of bucket; those that are not zero
	LeaseUntil  uint64            // CLOCK_BOOTTIME, ns
	Strangers   []FilterStranger  // who answers for an address without being a node of the farm
	// Lease is where a BPF array map with one 64-bit number is pinned: the lease.
	// A host that maps it into memory and stores deadlines there renews without
	// this process, which may be slow or dead. Empty: only Renew works.
	Lease string
}

// Filter keeps a node's share of the connections in the kernel.
type Filter interface {
	Describe() Description
	// Configure attaches to the interfaces with nothing accepted until a
	// table says so, and returns how. It fails without a change if an
	// interface is missing or taken.
	Configure(ctx context.Context, c FilterConfig) (FilterState, error)
	SetTable(ctx context.Context, t FilterTable) error
	// Renew lets the filter serve until deadline (CLOCK_BOOTTIME, ns).
	Renew(deadline uint64) error
	// Sockets counts this node's connections to the module's addresses, by
	// group and bucket.
	Sockets(ctx context.Context, module string) (map[string][]uint32, error)
	State(ctx context.Context) (FilterState, error)
	// Remove forgets a module; the last one detaches and leaves nothing.
	Remove(ctx context.Context, module string) error
}
