package share

import (
	"math/bits"

	"github.com/orchestrator-ha/orchestrator/core"
)

// Weights gives each node its weight. 0, like an absent node, is no traffic.
type Weights map[core.NodeID]uint32

// Chain is the ratio of weights from which on the smaller one counts as none:
// with 1, 64 and 64² only the strongest live node serves, as SafeKit's
// administrators expect. By proportion alone it would leave 1.5 % to the next.
const Chain = 64

// Owner is the owner of a bucket by weighted rendezvous hashing (Thaler and
// Ravishankar, "Using name-based mappings to increase hit rates", 1998; weights
// by the logarithm method of Schindelhauer and Schomaker, 2005): each node
// draws a number u in (0, 1] for the bucket and the smallest -log2(u)/weight
// wins. The draw of a node depends on nobody else, so when a node comes or goes
// no bucket moves between the others, unless it was the strongest of a chain.
// 0 if no node has a weight.
//
// The logarithm is computed in integers, so that every machine agrees.
func (w Weights) Owner(bucket int) core.NodeID { return w.ranking().owner(bucket) }

// ranking are weights that count, in the order of the nodes: the form that owners
// of many buckets are found by.
type ranking []struct {
	node   core.NodeID
	weight uint64
}

// ranking leaves out what counts as none beside the largest weight.
func (w Weights) ranking() ranking {
	var largest uint32
	for _, x := range w {
		largest = max(largest, x)
	}
	least := largest/Chain + 1
	var r ranking
	for n := core.NodeID(1); n <= core.MaxNodes; n++ {
		if x := w[n]; x >= least {
			r = append(r, struct {
				node   core.NodeID
				weight uint64
			}{n, uint64(x)})
		}
	}
	return r
}

func (r ranking) owner(bucket int) core.NodeID {
	var best core.NodeID
	var bestCost, bestWeight uint64
	for _, x := range r {
		cost := negLog2(draw(x.node, bucket))
		// cost/weight < bestCost/bestWeight, without the division.
		if best == 0 || less(cost, bestWeight, bestCost, x.weight) {
			best, bestCost, bestWeight = x.node, cost, x.weight
		}
	}
	return best
}

// among keeps the weights of some nodes.
func (w Weights) among(nodes []core.NodeID) Weights {
	some := Weights{}
	for _, n := range nodes {
		if w[n] > 0 {
			some[n] = w[n]
		}
	}
	return some
}

// less says a*b < c*d, exactly.
func less(a, b, c, d uint64) bool {
	h1, l1 := bits.Mul64(a, b)
	h2, l2 := bits.Mul64(c, d)
	return h1 < h2 || h1 == h2 && l1 < l2
}

// draw mixes a node and a bucket into 64 even bits (the finalizer of
// SplitMix64, Steele et al. 2014).
func draw(n core.NodeID, bucket int) uint64 {
	z := uint64(n)<<32 + uint64(bucket) + 0x9e3779b97f4a7c15
	for range 2 {
		z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
		z = (z ^ z>>27) * 0x94d049bb133111eb
		z ^= z >> 31
	}
	return z
}

// negLog2 is -log2((u+1)/2^64) with 24 fractional bits.
func negLog2(u uint64) uint64 {
	const fraction = 24
	if u == 1<<64-1 {
		return 0
	}
	u++
	whole := bits.Len64(u) - 1
	m := u << (63 - whole) // 1.xxx with 63 fractional bits
	log := uint64(whole) << fraction
	for bit := uint64(1) << (fraction - 1); bit != 0; bit >>= 1 {
		hi, _ := bits.Mul64(m, m) // the square, with 62 fractional bits
		if hi>>63 != 0 {
			log |= bit
			m = hi
		} else {
			m = hi << 1
		}
	}
	return 64<<fraction - log
}
