package heartbeat

import (
	"fmt"
	"math/bits"
	"strings"

	"github.com/orchestrator-ha/orchestrator/core"
)

// host is what is known of the machine under a silent peer.
type host struct {
	state  HostState
	asked  int64 // the first unanswered question of this silence
	next   int64 // not to be asked again before
	pings  int   // questions in this silence
	answer int64 // the latest
	gone   bool  // reported
	since  int64 // of a lost node: unanswered since
}

// late gives the host the time that this node itself lost.
func (h *host) late(now, by int64) { h.since = min(now, max(h.since, h.answer)+by) }

// lost begins the watch over a lost node's host.
func (h *host) lost(now int64) {
	h.gone = false
	h.since = now
	if h.state == HostSilent && h.asked != 0 {
		h.since = h.asked
	}
}

// seen is the host's state now.
func (h *host) seen(now, timeout int64) HostState {
	switch {
	case h.answer != 0 && now-h.answer < timeout:
		return HostAnswers
	case h.asked != 0:
		return HostSilent
	}
	return HostUnknown
}

// ask asks a peer's kernel on every network, once per period.
func (d *detector) ask(now int64, p *peer, period int64) {
	h := &p.host
	if !d.canPing || now < h.next {
		return
	}
	if h.asked == 0 || h.asked < p.heard {
		h.asked, h.pings, h.answer = now, 0, 0
	}
	h.next = now + period
	h.pings++
	for i := range d.networks {
		if p.paths[i].used {
			d.out.pings = append(d.out.pings, ping{i, p.id})
		}
	}
}

// answered takes the answer of a peer's kernel.
func (d *detector) answered(now int64, node core.NodeID) {
	p := &d.peers[node]
	if !p.member || p.host.asked == 0 {
		return
	}
	p.host.answer = now
	if p.verdict == VerdictLost || p.verdict == VerdictSuspect {
		p.host.state = HostAnswers
	}
	if p.verdict == VerdictLost && p.host.gone {
		p.host.gone = false
		d.emit(now, Event{Kind: HostBack, Node: p.id, Incarnation: p.incarnation, Host: HostAnswers,
			Evidence: "its kernel answers again, but no heartbeat comes"})
	}
}

// watchHost follows a lost node's host.
func (d *detector) watchHost(now int64, p *peer) {
	d.ask(now, p, d.timeout/2)
	h := &p.host
	if p.heard > p.since {
		h.since = max(h.since, p.heard) // it speaks, though it does not count as back yet
	}
	if h.gone || now-max(h.since, h.answer) < 2*d.timeout {
		return
	}
	h.gone = true
	h.state = HostUnknown
	text := "its kernel could not be asked, and two timeouts have passed"
	if d.canPing {
		h.state = HostSilent
		text = fmt.Sprintf("its kernel has not answered for %s", ms(now-max(h.since, h.answer)))
	}
	d.emit(now, Event{Kind: HostGone, Node: p.id, Incarnation: p.incarnation, Host: h.state, Evidence: text})
}

// evidence says in words what is seen of a silent peer.
func (d *detector) evidence(now int64, p *peer) string {
	var heard, never, refused, links []string
	for i, n := range d.networks {
		at := &p.paths[i]
		switch {
		case at.used && at.heard != 0:
			heard = append(heard, fmt.Sprintf("%s on lan %s (last seq %d)", ms(now-at.heard), n.Name, at.seq))
		case at.used:
			never = append(never, "lan "+n.Name)
		}
		if at.refused > p.heard {
			refused = append(refused, fmt.Sprintf("its kernel refused a heartbeat %s ago on lan %s: its process is dead", ms(now-at.refused), n.Name))
		}
		if d.linkDown[i] {
			links = append(links, fmt.Sprintf("this node's own link on lan %s is down", n.Name))
		}
	}
	var parts []string
	if len(heard) > 0 {
		parts = append(parts, "no heartbeat for "+list(heard))
	}
	if len(never) > 0 {
		parts = append(parts, "never one on "+list(never))
	}
	parts = append(parts, refused...)
	parts = append(parts, d.witnesses(now, p)...)
	parts = append(parts, d.hostEvidence(now, p))
	return strings.Join(append(parts, links...), "; ")
}

// witnesses says what the others hear of p.
func (d *detector) witnesses(now int64, p *peer) (parts []string) {
	others := d.heard(now) &^ bit(p.id)
	still := d.dissent(p, others)
	if agree := others &^ still; agree != 0 {
		parts = append(parts, nodes(agree, "does not hear it either", "do not hear it either"))
	}
	if still != 0 {
		parts = append(parts, nodes(still, "still hears it", "still hear it"))
	}
	return parts
}

func (d *detector) hostEvidence(now int64, p *peer) string {
	h := &p.host
	switch {
	case !d.canPing:
		return "its kernel could not be asked"
	case h.asked == 0 || h.asked < p.heard:
		return "its kernel has not been asked yet"
	case h.answer != 0:
		return fmt.Sprintf("its kernel answered a ping %s ago", ms(now-h.answer))
	}
	return fmt.Sprintf("its kernel answered none of %d pings in the last %s", h.pings, ms(now-h.asked))
}

// nodes writes a set of nodes with the right form of the verb.
func nodes(set uint64, one, many string) string {
	var ids []string
	for set != 0 {
		ids = append(ids, fmt.Sprint(bits.TrailingZeros64(set)+1))
		set &= set - 1
	}
	if len(ids) == 1 {
		return "node " + ids[0] + " " + one
	}
	return "nodes " + list(ids) + " " + many
}

// list joins with commas and a last "and".
func list(s []string) string {
	if len(s) == 1 {
		return s[0]
	}
	return strings.Join(s[:len(s)-1], ", ") + " and " + s[len(s)-1]
}

// ms writes a time in ns as whole milliseconds.
func ms(ns int64) string { return fmt.Sprintf("%d ms", (ns+500_000)/1_000_000) }
