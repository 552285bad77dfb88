package ebpf

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/orchestrator-ha/orchestrator/core"
	"github.com/orchestrator-ha/orchestrator/core/share"
)

// question is one frame at one node, as the verdict sees it.
type question struct {
	row      uint32
	self     uint8
	from     uint8 // node that forwarded the frame; 0: none
	round    bool  // and it is on the round
	fresh    bool
	datagram bool
	socket   bool // this node has a connection for it
	serve    bool // the lease holds
	ready    bool
	agreed   bool // all nodes use the same table
}

// answer is what becomes of it; forward 0 and not accepted is a drop.
type answer struct {
	forward uint8
	round   bool
	accept  bool
	reason  string
}

// model is the verdict in Go.
func model(q question) answer {
	here := share.Here{Self: core.NodeID(q.self), Serves: q.serve, Ready: q.ready, Agreed: q.agreed}
	v, why := here.Decide(share.Row(q.row), share.Packet{
		Opens: q.fresh, Datagram: q.datagram, Peer: core.NodeID(q.from), Round: q.round, Socket: q.socket, Bound: true,
	})
	return answer{forward: uint8(v.To), round: v.Round, accept: v.Accept, reason: string(why)}
}

func rowOf(nodes ...uint8) (row uint32) {
	for n, node := range nodes {
		row |= uint32(node) << (8 * n)
	}
	return row
}

// walk sends a frame of an open connection, or a datagram, to entry and follows it. has is the
// node with the connection, 0 for none.
func walk(rows map[uint8]uint32, datagram bool, entry, has uint8) (trace string, end uint8, reason string) {
	at, from, round := entry, uint8(0), false
	trace = fmt.Sprint(entry)
	for range 8 {
		a := model(question{row: rows[at], self: at, from: from, round: round, datagram: datagram, socket: at == has, serve: true, ready: true, agreed: true})
		if a.forward == 0 {
			return trace, at, a.reason
		}
		at, from, round = a.forward, at, a.round
		trace += fmt.Sprintf(">%d", at)
	}
	return trace, 0, "loop"
}

// TestWalk: whatever node a frame enters by, it finds its connection while a
// table is in force, and also while nodes change to another one at different
// moments, if both name the node that has it; and a frame without any ends in a
// RST, a datagram at a node that takes it, and none in a circle.
func TestWalk(t *testing.T) {
	const nodes = 6
	type pair struct {
		name     string
		old, new uint32
	}
	pairs := []pair{
		{"settled", rowOf(1), rowOf(1)},
		{"one previous", rowOf(1, 2), rowOf(1, 2)},
		{"two previous", rowOf(1, 2, 3), rowOf(1, 2, 3)},
		{"three previous", rowOf(1, 2, 3, 4), rowOf(1, 2, 3, 4)},
		{"prepare", rowOf(1), rowOf(1, 5)},
		{"prepare, one previous", rowOf(1, 2), rowOf(1, 5, 2)},
		{"prepare, two previous", rowOf(1, 2, 3), rowOf(1, 5, 2, 3)},
		{"commit", rowOf(1, 5), rowOf(5, 1)},
		{"commit, one previous", rowOf(1, 5, 2), rowOf(5, 1, 2)},
		{"commit, two previous", rowOf(1, 5, 2, 3), rowOf(5, 1, 2, 3)},
		{"first dropped", rowOf(1, 4, 2, 3), rowOf(1, 2, 3)},
		{"second dropped", rowOf(1, 2, 4, 3), rowOf(1, 2, 3)},
		{"third dropped", rowOf(1, 2, 3, 4), rowOf(1, 2, 3)},
		{"first of two dropped", rowOf(1, 4, 2), rowOf(1, 2)},
		{"second of two dropped", rowOf(1, 2, 4), rowOf(1, 2)},
		{"last dropped", rowOf(1, 4), rowOf(1)},
		{"returning", rowOf(1, 2, 3), rowOf(1, 3, 2)},
	}
	rnd := rand.New(rand.NewPCG(5, 6))
	for n := range 300 {
		pairs = append(pairs, pair{fmt.Sprint("any two ", n), anyRow(rnd), anyRow(rnd)})
	}
	for _, p := range pairs {
		t.Run(p.name, func(t *testing.T) {
			// Every way to have some nodes on the old table.
			for who := range 1 << nodes {
				rows := map[uint8]uint32{}
				for n := uint8(1); n <= nodes; n++ {
					rows[n] = p.old
					if who>>(n-1)&1 == 1 {
						rows[n] = p.new
					}
				}
				for entry := uint8(1); entry <= nodes; entry++ {
					for has := uint8(0); has <= nodes; has++ {
						if has != 0 && (!inRow(p.old, has) || !inRow(p.new, has)) {
							continue
						}
						checkWalk(t, rows, false, entry, has)
						checkWalk(t, rows, true, entry, has)
					}
				}
			}
		})
	}
}

// anyRow is a row of an owner and some previous owners.
func anyRow(rnd *rand.Rand) uint32 {
	var nodes []uint8
	for _, n := range rnd.Perm(6)[:1+rnd.IntN(4)] {
		nodes = append(nodes, uint8(n+1))
	}
	return rowOf(nodes...)
}

func checkWalk(t *testing.T, rows map[uint8]uint32, datagram bool, entry, has uint8) {
	t.Helper()
	trace, end, reason := walk(rows, datagram, entry, has)
	if has != 0 && end != has {
		t.Errorf("rows %08x: connection of node %d entered by %d: %s %s", rows, has, entry, trace, reason)
	}
	if has == 0 && end == 0 {
		t.Errorf("rows %08x: no connection, entered by %d: %s %s", rows, entry, trace, reason)
	}
}

func inRow(row uint32, node uint8) bool {
	for ; row != 0; row >>= 8 {
		if uint8(row) == node {
			return true
		}
	}
	return false
}
