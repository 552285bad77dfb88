package share

import (
	"bytes"
	"encoding/binary"
	"net/netip"

	"github.com/orchestrator-ha/orchestrator/core"
)

// Extra is what of a packet counts for its bucket besides the client's address.
type Extra uint8

const (
	ByAddress Extra = iota // nothing
	ByPort                 // the client's port
	ByIPID                 // the identification of the packet; UDP only
)

// Traffic names a protocol and port of an address; port 0 is every port.
type Traffic struct {
	Protocol string // tcp, udp or arp (which is echo, too)
	Port     uint16
}

// Sharing says which table shares some traffic, and by what.
type Sharing struct {
	Group string
	By    Extra
}

// Found is what the kernel's socket table knows of a packet.
type Found uint8

const (
	NoSocket  Found = iota
	Connected       // a connection
	Cookie          // a listener that gave out the SYN cookie that the packet brings
	Bound           // a UDP socket that is connected to nobody
)

// Filter is the filter of a node in directed mode: all that its verdict on a frame
// depends on. It computes the same as the kernel program, for tests and
// explanations.
type Filter struct {
	Here
	Key       Key
	Function  Function
	MAC       MAC                                // of the interface
	Addresses map[netip.Addr]map[Traffic]Sharing // virtual addresses on the interface
	Rows      map[string]Rows                    // by group
	Nodes     map[core.NodeID]MAC                // who the others are

	// Sockets looks into the kernel's table. nil: there are none.
	Sockets func(protocol string, client, local netip.AddrPort) Found

	fragments map[fragment]Verdict
}

// fragment names a datagram that came in parts.
type fragment struct {
	client, local netip.Addr
	id            uint32
	proto         byte
}

// Outcome is what becomes of a frame.
type Outcome struct {
	Virtual bool // it was for a virtual address here; if not, it passes untouched
	Verdict
	Reason Reason
	Bucket uint16 // where a bucket was asked for
	Row    Row
	Group  string // whose table decided; empty: none did
	Class  Class  // of the bucket in it
	Frame  []byte // as it leaves, if it is forwarded
}

// Judge is the verdict on an Ethernet frame. ok is false for ARP and neighbour
// discovery, which are no matter of verdicts.
func (f *Filter) Judge(frame []byte) (o Outcome, ok bool) {
	at, kind, whole := network(frame)
	if !whole {
		return o, true
	}
	b := frame[at:]
	switch {
	case kind == etherARP:
		return o, false
	case kind == etherIPv4 && len(b) >= headerIPv4:
		return f.judge(frame, at, netip.AddrFrom4([4]byte(b[16:])), parse4), true
	case kind == etherIPv6 && len(b) >= headerIPv6:
		if b[6] == protoICMPv6 && len(b) >= headerIPv6+headerICMP && b[headerIPv6] >= 133 && b[headerIPv6] <= 137 {
			return o, false
		}
		return f.judge(frame, at, netip.AddrFrom16([16]byte(b[24:])), parse6), true
	}
	return o, true
}

func (f *Filter) judge(frame []byte, at int, local netip.Addr, parse func([]byte) (flow, Reason)) (o Outcome) {
	rules, virtual := f.Addresses[local.Unmap()]
	switch {
	case !virtual:
		return o
	case frame[0]&1 != 0:
		return Outcome{Virtual: true, Reason: DropBroadcast}
	case MAC(frame[:6]) != f.MAC:
		return o
	}
	o.Virtual = true
	flow, why := parse(frame[at:])
	if why != "" {
		o.Reason = why
		return o
	}
	for n, mac := range f.Nodes {
		if n != f.Self && mac == MAC(frame[6:12]) {
			flow.packet.Peer = n
		}
	}
	if flow.later {
		f.judgeLater(&o, flow, rules)
	} else if !f.judgeFlow(&o, flow, rules) {
		o.Reason = DropNoRule
		return o
	}
	if o.To != 0 {
		f.send(&o, frame, at)
	}
	return o
}

// judgeFlow says false if no rule is for the packet.
func (f *Filter) judgeFlow(o *Outcome, flow flow, rules map[Traffic]Sharing) bool {
	protocol := map[byte]string{protoTCP: "tcp", protoUDP: "udp"}[flow.proto]
	sharing, ruled := rules[Traffic{protocol, flow.localPort}]
	if !ruled {
		sharing, ruled = rules[Traffic{protocol, 0}]
	}
	if flow.echo {
		sharing, ruled = rules[Traffic{"arp", 0}]
	}
	if !ruled {
		return false
	}
	f.place(o, flow, sharing)
	o.Group, o.Class = sharing.Group, o.Row.Class(f.Self)
	p := flow.packet
	found := NoSocket
	if f.Sockets != nil {
		found = f.Sockets(protocol, netip.AddrPortFrom(flow.client, flow.clientPort), netip.AddrPortFrom(flow.local, flow.localPort))
	}
	p.Socket, p.Bound = found == Connected || found == Cookie, found == Bound
	o.Verdict, o.Reason = f.Decide(o.Row, p)
	switch {
	case o.Reason == AcceptSocket && found == Cookie:
		o.Reason = AcceptCookie
	case o.Reason == AcceptNew && flow.echo:
		o.Reason = AcceptEcho
	case o.Reason == ForwardNew && flow.echo:
		o.Reason = ForwardEcho
	}
	if flow.first {
		f.remember(flow, o.Verdict)
	}
	return true
}

// place finds the packet's bucket and row.
func (f *Filter) place(o *Outcome, flow flow, s Sharing) {
	var extra uint16
	switch s.By {
	case ByPort:
		extra = flow.clientPort
	case ByIPID:
		extra = uint16(flow.id)
	}
	o.Bucket = f.Function.Bucket(f.Key, flow.client, extra)
	if rows := f.Rows[s.Group]; rows != nil {
		o.Row = rows[o.Bucket]
	}
}

// remember keeps where the first fragment went, for the later ones. The kernel
// forgets after 30 s or in a flood.
func (f *Filter) remember(flow flow, v Verdict) {
	if f.fragments == nil {
		f.fragments = map[fragment]Verdict{}
	}
	key := fragment{flow.client, flow.local, flow.id, flow.proto}
	if v.Accept || v.To != 0 {
		f.fragments[key] = v
	} else {
		delete(f.fragments, key)
	}
}

// judgeLater is rule 9. What a peer forwarded goes on only along a round.
func (f *Filter) judgeLater(o *Outcome, flow flow, rules map[Traffic]Sharing) {
	peer := flow.packet.Peer
	v, known := f.fragments[fragment{flow.client, flow.local, flow.id, flow.proto}]
	switch {
	case known && peer != 0 && (!v.Round || v.To < f.Self):
		v = Verdict{Accept: true}
	case !known && peer != 0:
		v = Verdict{Accept: true}
	case !known:
		if sharing, ok := rules[Traffic{"arp", 0}]; ok {
			f.place(o, flow, Sharing{Group: sharing.Group})
		}
		if o.Row.Owner() == 0 {
			o.Reason = DropNobody
			return
		}
		v = Verdict{To: o.Row.Owner()}
		if v.To == f.Self {
			v = Verdict{Accept: true}
		}
	}
	switch {
	case (v.Accept || v.Round) && !f.Serves:
		o.Reason = DropLease
	case v.Accept:
		o.Verdict, o.Reason = v, AcceptFragment
	default:
		o.Verdict, o.Reason = v, ForwardFragment
	}
}

// send writes the frame as it leaves: addresses, and TTL or hop limit lowered so
// that it is odd on the round and even else.
func (f *Filter) send(o *Outcome, frame []byte, at int) {
	mac, known := f.Nodes[o.To]
	if !known || mac == (MAC{}) {
		o.Verdict, o.Reason = Verdict{}, DropNoMAC
		return
	}
	six := frame[at]>>4 == 6
	hops := at + 8
	if six {
		hops = at + 7
	}
	by := byte(1)
	if (frame[hops]&1 == 1) == o.Round {
		by = 2
	}
	if frame[hops] <= by {
		o.Verdict, o.Reason = Verdict{}, DropTTL
		return
	}
	out := bytes.Clone(frame)
	copy(out, mac[:])
	copy(out[6:], f.MAC[:])
	out[hops] -= by
	if !six { // RFC 1624
		sum := uint32(binary.BigEndian.Uint16(out[at+10:])) + uint32(by)<<8
		binary.BigEndian.PutUint16(out[at+10:], uint16(sum+sum>>16))
	}
	o.Frame = out
}

// Forget empties the memory of fragments, as time does in the kernel.
func (f *Filter) Forget() { f.fragments = nil }
