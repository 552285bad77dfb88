package ebpf

import (
	"errors"
	"net"
	"net/netip"

	"github.com/orchestrator-ha/orchestrator/sdk"
)

// ErrNothing says that nothing of a filter is pinned in a directory.
var ErrNothing = errors.New("the kernel has nothing of this node's packet filter")

// Snapshot is what a node's filter has in the kernel, as its pinned maps and
// links say it, whether or not its process runs.
type Snapshot struct {
	Layout      int                `json:"layout"` // of the maps; another version of the program has another
	Now         uint64             `json:"now"`    // CLOCK_BOOTTIME, ns
	Lease       uint64             `json:"lease"`  // until when the node serves, the same clock
	Attachments []PinnedAttachment `json:"attachments"`
	Modules     []PinnedModule     `json:"modules"`
	Addresses   []PinnedAddress    `json:"addresses"`
	MACs        []PinnedMAC        `json:"macs"`
	Strangers   []PinnedStranger   `json:"strangers"`
}

// PinnedAttachment says how an interface is filtered.
type PinnedAttachment struct {
	Interface string   `json:"interface"` // by its name in the caller's network namespace; empty if the filter is off it
	Index     int      `json:"index"`
	Programs  []string `json:"programs"`       // xdp-native, xdp-generic, tcx-in, tcx-out
	Note      string   `json:"note,omitempty"` // why not something faster
}

// PinnedModule is a module, with the tables that are in force.
type PinnedModule struct {
	Name     string            `json:"name"`
	Self     uint8             `json:"self"` // this node's number
	Fence    bool              `json:"fence"`
	Accept   bool              `json:"accept"`
	Agreed   bool              `json:"agreed"`
	Epoch    uint64            `json:"epoch"` // of the tables
	Groups   []PinnedGroup     `json:"groups"`
	Counters map[string]uint64 `json:"counters"` // by reason; those that are not zero
	Packets  []CountedPackets  `json:"packets"`  // the same by group and class of bucket
}

// CountedPackets are packets that met the same end for the same reason. Those without a
// group met it before a bucket was asked for.
type CountedPackets struct {
	Group   string `json:"group,omitempty"`
	Class   string `json:"class,omitempty"` // of the bucket: a share.Class
	Reason  string `json:"reason"`
	Packets uint64 `json:"packets"`
}

// PinnedGroup is the table of a group.
type PinnedGroup struct {
	Name string      `json:"name"`
	Slot uint16      `json:"slot"`
	Rows []RowsAlike `json:"rows"` // all 4096, in order
}

// RowsAlike are buckets that follow one another and have the same row.
type RowsAlike struct {
	First    int    `json:"first"`
	Last     int    `json:"last"`
	Owner    int    `json:"owner"` // number of a node; 0 is nobody
	Previous []int  `json:"previous,omitempty"`
	Row      string `json:"row"`            // the same as share.Row writes it
	Hand     string `json:"hand,omitempty"` // in invisible mode: the part of this node in their hand-over
}

// PinnedAddress is a virtual address on an interface.
type PinnedAddress struct {
	Address   netip.Addr   `json:"address"`
	Interface int          `json:"interface"` // its index
	Module    string       `json:"module"`
	MAC       string       `json:"mac"`                   // of the interface
	Virtual   string       `json:"virtual_mac,omitempty"` // in invisible mode
	Rules     []PinnedRule `json:"rules"`
}

// PinnedRule says which group shares some traffic to an address.
type PinnedRule struct {
	Protocol string       `json:"protocol"`
	Port     uint16       `json:"port,omitempty"` // 0 is every port
	Group    string       `json:"group"`
	Hash     sdk.HashMode `json:"hash"`
}

// PinnedMAC is where frames for a node are sent.
type PinnedMAC struct {
	Interface int    `json:"interface"`
	Module    string `json:"module"`
	Node      int    `json:"node"`
	MAC       string `json:"mac"`
}

// PinnedStranger is who claims a virtual address without being a node that has it.
type PinnedStranger struct {
	Address   netip.Addr `json:"address"`
	Interface int        `json:"interface"`
	MAC       string     `json:"mac"`
	Seen      uint64     `json:"seen"` // last time, CLOCK_BOOTTIME, ns
}

func macText(m [6]byte) string { return net.HardwareAddr(m[:]).String() }
