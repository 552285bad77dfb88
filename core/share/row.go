package share

import (
	"fmt"
	"strings"

	"github.com/orchestrator-ha/orchestrator/core"
)

// MaxPrevious is how many previous owners a row holds.
const MaxPrevious = 3

// Row is one bucket: the owner in the lowest byte, then the previous owners,
// the latest first. 0 is nobody. The kernel reads the same four bytes.
type Row uint32

// MakeRow builds a row. Zeros and repetitions are left out; previous owners
// beyond MaxPrevious are cut off.
func MakeRow(owner core.NodeID, previous ...core.NodeID) Row {
	r, shift := Row(owner), 8
	for _, p := range previous {
		if p != 0 && shift < 32 && !r.has(p) {
			r |= Row(p) << shift
			shift += 8
		}
	}
	return r
}

// Owner is the node that accepts new connections; 0 if nobody does.
func (r Row) Owner() core.NodeID { return core.NodeID(r & 0xff) }

// Previous lists the previous owners, the latest first.
func (r Row) Previous() []core.NodeID {
	var list []core.NodeID
	for rest := r >> 8; rest != 0; rest >>= 8 {
		list = append(list, core.NodeID(rest&0xff))
	}
	return list
}

// latest is the latest previous owner; 0 if there is none.
func (r Row) latest() core.NodeID { return core.NodeID(r >> 8 & 0xff) }

// Settled says that nobody but the owner can have connections in the bucket.
func (r Row) Settled() bool { return r>>8 == 0 }

// has says that n is the owner or a previous owner.
func (r Row) has(n core.NodeID) bool {
	for ; r != 0; r >>= 8 {
		if core.NodeID(r&0xff) == n {
			return true
		}
	}
	return false
}

// without returns the row with n removed from the previous owners.
func (r Row) without(n core.NodeID) Row {
	if r.Settled() {
		return r
	}
	var left []core.NodeID
	for _, p := range r.Previous() {
		if p != n {
			left = append(left, p)
		}
	}
	return MakeRow(r.Owner(), left...)
}

// sound says that a row has numbers only that nodes can have, or 0.
func (r Row) sound() bool {
	for ; r != 0; r >>= 8 {
		if r&0xff > core.MaxNodes {
			return false
		}
	}
	return true
}

// String shows a row as "2" or "2<1,3": owner, previous owners.
func (r Row) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%d", r.Owner())
	for i, p := range r.Previous() {
		b.WriteString(map[bool]string{true: "<", false: ","}[i == 0])
		fmt.Fprintf(&b, "%d", p)
	}
	return b.String()
}
