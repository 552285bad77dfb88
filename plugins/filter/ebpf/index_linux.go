package ebpf

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"

	"github.com/orchestrator-ha/orchestrator/sdk"
)

// buildIndex lays out addresses and rules as the kernel looks them up: see
// struct index. The same input makes the same bytes.
func buildIndex(vips []vipValue, rules map[uint32]shareValue) (*indexValue, error) {
	if len(vips) > maxVips {
		return nil, fmt.Errorf("%d virtual addresses are filtered on this node, at most %d are possible; spread them over more nodes", len(vips), maxVips)
	}
	if len(rules) > maxRules {
		return nil, fmt.Errorf("there are %d rules for single ports on this node, at most %d are possible; share all ports of an address instead", len(rules), maxRules)
	}
	x := &indexValue{}
	vips = slices.Clone(vips)
	slices.SortFunc(vips, func(a, b vipValue) int { return slices.Compare(a.Address[:], b.Address[:]) })
	hashes := make([]uint64, len(vips))
	for n, v := range vips {
		hashes[n] = vipHash(v.Address)
	}
	var places []int
	if x.VipSeed, places = findSeed(hashes, vipBits, probes); places == nil {
		return nil, fmt.Errorf("no layout was found for %d virtual addresses; use fewer", len(vips))
	}
	for n, at := range places {
		x.Vip[at] = vips[n]
		x.Vip[at].At = uint16(at)
	}
	keys := slices.Sorted(maps.Keys(rules))
	hashes = make([]uint64, len(keys))
	for n, k := range keys {
		hashes[n] = uint64(k)
	}
	if x.RuleSeed, places = findSeed(hashes, ruleBits, probes); places == nil {
		return nil, fmt.Errorf("no layout was found for %d rules for single ports; use fewer", len(rules))
	}
	for n, at := range places {
		x.Rule[at] = ruleValue{Key: keys[n], Share: rules[keys[n]]}
	}
	return x, nil
}

// vipHash is what vip_of of bpf/packet.h multiplies by the seed.
func vipHash(a address) uint64 {
	h := binary.LittleEndian.Uint64(a[:8]) ^ binary.LittleEndian.Uint64(a[8:])
	return h ^ h>>29
}

// findSeed looks for an odd multiplier that spreads hashes over 1<<bits places so
// that each finds a free one among the first `probes` from where it belongs, and
// says where each is. nil: none was found.
func findSeed(hashes []uint64, bits, probes int) (seed uint64, places []int) {
	random := rand.New(rand.NewPCG(1, 2))
	taken := make([]bool, 1<<bits)
	places = make([]int, len(hashes))
next:
	for range 100_000 {
		seed = random.Uint64() | 1
		clear(taken)
		for n, h := range hashes {
			at := int(h * seed >> (64 - bits))
			end := min(at+probes, len(taken))
			for at < end && taken[at] {
				at++
			}
			if at == end {
				continue next
			}
			taken[at], places[n] = true, at
		}
		return seed, places
	}
	return 0, nil
}

// macNumber is an Ethernet address as the kernel program compares it.
func macNumber(m sdk.MAC) uint64 {
	return binary.LittleEndian.Uint64(append(m[:], 0, 0))
}

// macFrom is the address of a macNumber.
func macFrom(n uint64) (m sdk.MAC) {
	var b [8]byte
	binary.LittleEndian.PutUint64(b[:], n)
	return sdk.MAC(b[:6])
}

// buildLink lays out the nodes of m on its interface number n.
func (m *member) buildLink(n int) (*linkValue, error) {
	l := &linkValue{}
	var nodes []uint8
	var hashes []uint64
	for _, node := range slices.Sorted(maps.Keys(m.macs)) {
		if list := m.macs[node]; n < len(list) && list[n] != (sdk.MAC{}) {
			l.MAC[node] = macNumber(list[n])
			if node != m.Config.Self {
				nodes, hashes = append(nodes, node), append(hashes, l.MAC[node])
			}
		}
	}
	seed, places := findSeed(hashes, hintBits, 1)
	if places == nil {
		return nil, fmt.Errorf("two nodes of module %s have the same Ethernet address on %s: %s", m.Config.Module, m.Links[n].Name, doubles(nodes, hashes))
	}
	l.Seed = seed
	for i, at := range places {
		l.Hint[at] = nodes[i]
	}
	return l, nil
}

// doubles names nodes with equal addresses.
func doubles(nodes []uint8, macs []uint64) string {
	order := make([]int, len(macs))
	for n := range order {
		order[n] = n
	}
	slices.SortFunc(order, func(a, b int) int { return cmp.Compare(macs[a], macs[b]) })
	for n := 1; n < len(order); n++ {
		if a, b := order[n-1], order[n]; macs[a] == macs[b] {
			return fmt.Sprintf("%d and %d", nodes[a], nodes[b])
		}
	}
	return "unknown"
}
