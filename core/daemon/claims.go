package daemon

import (
	"bytes"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"time"

	"github.com/orchestrator-ha/orchestrator/core"
	"github.com/orchestrator-ha/orchestrator/sdk"
)

// claimTime is how long a stranger is remembered who is not seen again: more than
// two probes.
const claimTime = 2*probeInterval + 2*time.Second

// namedStrangers is how many of those who claim one address are named.
const namedStrangers = 3

// claim is a machine that says it has a virtual address, and is no node.
type claim struct {
	addr netip.Addr
	on   string
	mac  sdk.MAC
}

// claims remembers strangers, and what was said of each address. It has no clock.
type claims struct {
	seen  map[claim]seen
	marks map[claim]uint64 // what the filter said last: FilterStranger.Seen
	said  map[netip.Addr]string
}

type seen struct{ first, last time.Time }

func newClaims() *claims {
	return &claims{seen: map[claim]seen{}, marks: map[claim]uint64{}, said: map[netip.Addr]string{}}
}

// hear notes a claim.
func (c *claims) hear(now time.Time, k claim) {
	s, ok := c.seen[k]
	if !ok {
		s.first = now
	}
	s.last = now
	c.seen[k] = s
}

// filtered notes what the filter has seen, where that is new since the last time.
func (c *claims) filtered(now time.Time, list []sdk.FilterStranger) {
	marks := map[claim]uint64{}
	for _, s := range list {
		k := claim{s.Address, s.Interface, s.MAC}
		if marks[k] = s.Seen; c.marks[k] != s.Seen {
			c.hear(now, k)
		}
	}
	c.marks = marks
}

// clear forgets claims that turn out to be none.
func (c *claims) clear(none func(claim) bool) {
	maps.DeleteFunc(c.seen, func(k claim, _ seen) bool { return none(k) })
}

// news forgets who was not seen for long and answers the resources of addrs
// that changed.
func (c *claims) news(now time.Time, addrs []netip.Addr) []core.Resource {
	for k, s := range c.seen {
		if now.Sub(s.last) > claimTime {
			delete(c.seen, k)
		}
	}
	var list []core.Resource
	for _, a := range addrs {
		reason := c.about(a)
		if said, ok := c.said[a]; ok && said == reason {
			continue
		}
		c.said[a] = reason
		r := core.Resource{Name: "ip." + a.String(), Value: core.ResUp}
		if reason != "" {
			r.Value, r.Reason = core.ResDown, reason
		}
		list = append(list, r)
	}
	return list
}

// about tells who claims an address, in words.
func (c *claims) about(a netip.Addr) string {
	var found []claim
	for k := range c.seen {
		if k.addr == a {
			found = append(found, k)
		}
	}
	slices.SortFunc(found, func(a, b claim) int { return bytes.Compare(a.mac[:], b.mac[:]) })
	reason := ""
	for i, k := range found {
		if i == namedStrangers {
			reason += fmt.Sprintf("; %d more do", len(found)-i)
			break
		}
		reason = joined(reason, fmt.Sprintf("%s answers for it on %s since %s", macText(k.mac), k.on, c.seen[k].first.Format(time.TimeOnly)))
	}
	if reason != "" {
		reason += "; clients may end up there instead of here: free the address, or give the module another"
	}
	return reason
}

func macText(m sdk.MAC) string {
	return fmt.Sprintf("%02x:%02x:%02x:%02x:%02x:%02x", m[0], m[1], m[2], m[3], m[4], m[5])
}
