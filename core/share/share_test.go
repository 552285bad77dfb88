package share

import (
	"encoding/json"
	"math"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/orchestrator-ha/orchestrator/core"
)

func TestOwnersFollowTheWeights(t *testing.T) {
	for _, w := range []Weights{{1: 1, 2: 1, 3: 1}, {1: 1, 2: 3}, {1: 100, 2: 50, 7: 50, 64: 0}} {
		var total float64
		for _, x := range w {
			total += float64(x)
		}
		count := map[core.NodeID]int{}
		for b := range Buckets {
			count[w.Owner(b)]++
		}
		for n, x := range w {
			want, got := float64(x)/total, float64(count[n])/Buckets
			if math.Abs(want-got) > 0.03 || x == 0 && got != 0 {
				t.Errorf("weights %v: node %d owns %.3f, want %.3f", w, n, got, want)
			}
		}
	}
	if n := (Weights{}).Owner(5); n != 0 {
		t.Errorf("nobody has a weight, but %d owns", n)
	}
}

func TestNothingMovesBetweenSurvivors(t *testing.T) {
	all, less := Weights{1: 1, 2: 2, 3: 1, 4: 1}, Weights{1: 1, 2: 2, 4: 1}
	for b := range Buckets {
		if before, after := all.Owner(b), less.Owner(b); before != 3 && before != after {
			t.Fatalf("bucket %d moved from %d to %d though 3 left", b, before, after)
		}
	}
}

func TestNegLog2(t *testing.T) {
	for _, u := range []uint64{0, 1, 2, 3, 1 << 20, 1<<63 - 1, 1 << 63, 1<<64 - 2, 1<<64 - 1} {
		want := 64 - math.Log2(float64(u)+1)
		if got := float64(negLog2(u)) / (1 << 24); math.Abs(got-want) > 1e-6 {
			t.Errorf("-log2 of %d: got %v, want %v", u, got, want)
		}
	}
}

func TestRow(t *testing.T) {
	r := MakeRow(2, 1, 0, 1, 3, 4, 5)
	if r.String() != "2<1,3,4" {
		t.Errorf("row is %v", r)
	}
	if got := r.without(3); got.String() != "2<1,4" {
		t.Errorf("without 3 it is %v", got)
	}
	if !MakeRow(7).Settled() || r.Settled() {
		t.Error("settled is wrong")
	}
}

func TestFailMovesOnlyTheDead(t *testing.T) {
	w := Weights{1: 1, 2: 1, 3: 1}
	v := View{Members: []Member{{Node: 1}, {Node: 2}, {Node: 3}}, Tables: []Table{{Name: "g", Weights: w, Rows: make(Rows, Buckets)}}}
	for b := range v.Tables[0].Rows {
		v.Tables[0].Rows[b] = MakeRow(w.Owner(b))
	}
	for _, keep := range []bool{true, false} {
		after := v.Fail(2, keep)
		for b, r := range after.Tables[0].Rows {
			was := v.Tables[0].Rows[b]
			switch {
			case was.Owner() != 2 && r != was:
				t.Fatalf("keep %v: bucket %d changed from %v to %v", keep, b, was, r)
			case was.Owner() == 2 && (r.Owner() == 2 || r.has(2) != keep):
				t.Fatalf("keep %v: bucket %d became %v", keep, b, r)
			}
		}
	}
	if v.Owned(2) == 0 || !v.Settled() {
		t.Error("Fail changed the view it was called on")
	}
}

func TestViewTravels(t *testing.T) {
	v := View{Epoch: 5, Members: []Member{{Node: 1, MACs: []MAC{{1, 2, 3, 4, 5, 6}}}}, Tables: []Table{{"g", Weights{1: 9}, make(Rows, Buckets)}}}
	v.Tables[0].Rows[77] = MakeRow(3, 2)
	raw, err := json.Marshal(Message{Kind: MsgInstall, View: &v, Report: &Report{Open: map[string]Bitmap{"g": NewBitmap()}}})
	if err != nil {
		t.Fatal(err)
	}
	var back Message
	if err := json.Unmarshal(raw, &back); err != nil {
		t.Fatal(err)
	}
	if !back.View.sameAs(v) || back.View.Epoch != 5 || back.Report.Open["g"].Has(1) {
		t.Errorf("came back as %+v", back.View)
	}
}

// TestBucketIsEvenAndKeyed: clients as they come, 65536 of them, spread like
// random numbers under every key, and another key is another order.
func TestBucketIsEvenAndKeyed(t *testing.T) {
	client := func(n uint32) netip.Addr {
		return netip.AddrFrom4([4]byte{10, byte(n >> 16), byte(n >> 8), byte(n)})
	}
	six := func(n uint32) netip.Addr {
		return netip.AddrFrom16([16]byte{0x20, 1, 0xd, 0xb8, 12: byte(n >> 24), byte(n >> 16), byte(n >> 8), byte(n)})
	}
	patterns := map[string]func(n uint32) (netip.Addr, uint16){
		"ports of one client":     func(n uint32) (netip.Addr, uint16) { return client(1), uint16(n) },
		"even ports of four":      func(n uint32) (netip.Addr, uint16) { return client(n >> 14), uint16(32768 + 2*n&0x7fff) },
		"addresses":               func(n uint32) (netip.Addr, uint16) { return client(n), 0 },
		"one address a network":   func(n uint32) (netip.Addr, uint16) { return client(n<<8 | 1), 0 },
		"identifications":         func(n uint32) (netip.Addr, uint16) { return client(n >> 8), uint16(n << 8) },
		"ports of an IPv6 client": func(n uint32) (netip.Addr, uint16) { return six(1), uint16(n) },
		"IPv6 addresses":          func(n uint32) (netip.Addr, uint16) { return six(n), 0 },
	}
	for name, pattern := range patterns {
		for k := range byte(20) {
			count, mixer := make([]int, Buckets), Key{k}.Mixer()
			for n := range uint32(1 << 16) {
				a, port := pattern(n)
				count[mixer.Bucket(a, port)]++
			}
			var chi float64
			for _, c := range count {
				chi += math.Pow(float64(c)-16, 2) / 16
			}
			// 4095 degrees of freedom: mean 4095, standard deviation 90.
			if chi < 3600 || chi > 4600 {
				t.Errorf("%s, key %d: chi-square over the buckets is %.0f", name, k, chi)
			}
		}
	}
	other := 0
	for port := range 1000 {
		a := netip.MustParseAddr("2001:db8::1")
		if Bucket(Key{1}, a, uint16(port)) != Bucket(Key{2}, a, uint16(port)) {
			other++
		}
	}
	if other < 990 {
		t.Errorf("another key changed only %d of 1000 buckets", other)
	}
}

// TestBucketVectors holds the function to what nodes of other versions compute.
func TestBucketVectors(t *testing.T) {
	key := Key{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16}
	for _, c := range []struct {
		client string
		port   uint16
		want   uint16
	}{
		{"10.1.0.50", 40000, 3682}, {"10.1.0.50", 0, 4077}, {"::ffff:10.1.0.50", 40000, 3682}, {"0.0.0.0", 0, 1300}, {"255.255.255.255", 65535, 578},
		{"2001:db8::1", 443, 3346}, {"2001:db8::1", 0, 2907}, {"fe80::1", 1, 3366},
	} {
		if got := Bucket(key, netip.MustParseAddr(c.client), c.port); got != c.want {
			t.Errorf("%s port %d: bucket %d, want %d", c.client, c.port, got, c.want)
		}
	}
}

func TestDecide(t *testing.T) {
	const self = 2
	accept := Verdict{Accept: true}
	tests := []struct {
		name          string
		row           Row
		takes, agreed bool
		p             Packet
		want          Verdict
	}{
		{"open, owner", MakeRow(2), true, true, Packet{Opens: true}, accept},
		{"open, owner, not ready", MakeRow(2), false, true, Packet{Opens: true}, Verdict{}},
		{"open, other", MakeRow(3), true, true, Packet{Opens: true}, Verdict{To: 3}},
		{"open, other, from peer", MakeRow(3), true, true, Packet{Opens: true, Peer: 1}, accept},
		{"open, from peer, not ready", MakeRow(3), false, true, Packet{Opens: true, Peer: 1}, Verdict{To: 3}},
		{"open, from the owner, not ready", MakeRow(3), false, true, Packet{Opens: true, Peer: 3}, Verdict{}},
		{"open, nobody owns", MakeRow(0, 2), true, true, Packet{Opens: true, Peer: 3}, Verdict{}},
		{"settled, owner", MakeRow(2), true, true, Packet{}, accept},
		{"settled, owner, disagreement", MakeRow(2), true, false, Packet{}, Verdict{}},
		{"settled, owner, disagreement, socket", MakeRow(2), true, false, Packet{Socket: true}, accept},
		{"settled, other", MakeRow(3), true, true, Packet{}, Verdict{To: 3}},
		{"settled, other, disagreement, socket", MakeRow(3), true, false, Packet{Socket: true}, accept},
		{"settled, other, from peer, socket", MakeRow(3), true, true, Packet{Peer: 1, Socket: true}, accept},
		{"settled, other, from peer, none", MakeRow(3), true, true, Packet{Peer: 1}, Verdict{To: 3, Round: true}},
		{"moving, owner, socket", MakeRow(2, 3), true, true, Packet{Socket: true}, accept},
		{"moving, owner, none: the round begins", MakeRow(2, 3, 1), true, true, Packet{}, Verdict{To: 1, Round: true}},
		{"moving, owner, none, from an entry node", MakeRow(2, 3, 1), true, true, Packet{Peer: 3}, Verdict{To: 1, Round: true}},
		{"on the round", MakeRow(2, 3, 1), true, true, Packet{Peer: 1, Round: true}, Verdict{To: 3, Round: true}},
		{"on the round, all asked", MakeRow(2, 1), true, true, Packet{Peer: 1, Round: true}, accept},
		{"on the round, all asked, disagreement", MakeRow(2, 1), true, false, Packet{Peer: 1, Round: true}, Verdict{}},
		{"moving, previous, socket", MakeRow(3, 2), true, true, Packet{Socket: true}, accept},
		{"moving, previous, none, direct", MakeRow(3, 2), true, true, Packet{}, Verdict{To: 3}},
		{"nobody owns, latest previous stands in", MakeRow(0, 3, 2), true, true, Packet{}, Verdict{To: 3}},
		{"lease out, socket", MakeRow(3, 2), false, true, Packet{Socket: true}, Verdict{}},
	}
	for _, tc := range tests {
		if got := Decide(self, tc.row, tc.takes, tc.agreed, tc.p); got != tc.want {
			t.Errorf("%s: row %v: got %+v, want %+v", tc.name, tc.row, got, tc.want)
		}
	}
}

func TestLowBits(t *testing.T) {
	for _, c := range []struct {
		addr string
		port uint16
		want uint16
	}{
		{"10.1.2.3", 0x1234, 0x234}, {"10.1.2.3", 0, 0x203}, {"::ffff:10.1.2.3", 0, 0x203},
		{"fd00::abcd", 0, 0xbcd}, {"fd00::abcd", 65535, 0xfff},
	} {
		if got := LowBits.Bucket(Key{1}, netip.MustParseAddr(c.addr), c.port); got != c.want {
			t.Errorf("%s port %d: bucket %#x, want %#x", c.addr, c.port, got, c.want)
		}
	}
	a := netip.MustParseAddr("192.0.2.7")
	if got, want := Keyed.Bucket(Key{2}, a, 80), Bucket(Key{2}, a, 80); got != want {
		t.Errorf("keyed: bucket %d, want %d", got, want)
	}
}

// TestSilentNodesAreAskedLast: while a silent node is not back, connections that another
// previous owner has go on; and what the silent one may have is not reset.
func TestSilentNodesAreAskedLast(t *testing.T) {
	h := Here{Serves: true, Ready: true}
	for _, c := range []struct {
		name   string
		self   core.NodeID
		row    Row
		silent uint64
		agreed bool
		p      Packet
		want   Verdict
	}{
		{"nobody is silent", 1, MakeRow(1, 2, 3), 0, true, Packet{}, Verdict{To: 2, Round: true}},
		{"passed by", 1, MakeRow(1, 2, 3), bit(2), true, Packet{}, Verdict{To: 3, Round: true}},
		{"the others may have it as an owner", 1, MakeRow(1, 2, 3), bit(2), false, Packet{}, Verdict{To: 2, Round: true}},
		{"no other is left", 1, MakeRow(1, 2), bit(2), true, Packet{}, Verdict{To: 2, Round: true}},
		{"two are silent", 1, MakeRow(1, 2, 3, 4), bit(2) | bit(3), true, Packet{}, Verdict{To: 4, Round: true}},
		{"the last one", 3, MakeRow(1, 2, 3), bit(2), true, Packet{Peer: 1, Round: true}, Verdict{}},
		{"the last one, nobody is silent", 3, MakeRow(1, 2, 3), 0, true, Packet{Peer: 1, Round: true}, Verdict{Accept: true}},
		{"the last one, one far away is silent", 3, MakeRow(1, 2, 3), bit(9), true, Packet{Peer: 1, Round: true}, Verdict{Accept: true}},
		{"from a peer, not on the round", 1, MakeRow(1, 2, 3), bit(2), true, Packet{Peer: 5}, Verdict{To: 3, Round: true}},
		{"the number 64", 1, MakeRow(1, 63, 64), bit(63), true, Packet{}, Verdict{To: 64, Round: true}},
	} {
		h.Self, h.Silent, h.Agreed = c.self, c.silent, c.agreed
		if got, _ := h.Decide(c.row, c.p); got != c.want {
			t.Errorf("%s: node %d, row %v, silent %b: %+v, want %+v", c.name, c.self, c.row, c.silent, got, c.want)
		}
	}
}

// TestDatagramsPassSilentNodesBy: without its lease such a node would drop them.
func TestDatagramsPassSilentNodesBy(t *testing.T) {
	h := Here{Self: 1, Serves: true, Ready: true, Agreed: true}
	p := Packet{Datagram: true, Bound: true}
	for _, c := range []struct {
		row    Row
		silent uint64
		want   Verdict
	}{
		{MakeRow(1, 2), 0, Verdict{To: 2, Round: true}},
		{MakeRow(1, 2), bit(2), Verdict{Accept: true}},
		{MakeRow(1, 2, 3), bit(2), Verdict{To: 3, Round: true}},
		{MakeRow(3, 2), bit(2), Verdict{To: 3}},
		{MakeRow(1, 64), bit(64), Verdict{Accept: true}},
	} {
		h.Silent = c.silent
		if got, _ := h.Decide(c.row, p); got != c.want {
			t.Errorf("row %v, silent %b: %+v, want %+v", c.row, c.silent, got, c.want)
		}
	}
}

// TestUnsoundMessages: what no node of this version says is not worked with, and the plan is
// given up.
func TestUnsoundMessages(t *testing.T) {
	view := func(change func(*View)) View {
		v := View{Epoch: Epoch(0).next(2), Members: []Member{{Node: 2}}, Tables: []Table{{Name: "g", Weights: Weights{2: 1}, Rows: make(Rows, Buckets)}}}
		change(&v)
		return v
	}
	for name, v := range map[string]View{
		"no rows":         view(func(v *View) { v.Tables[0].Rows = nil }),
		"too few rows":    view(func(v *View) { v.Tables[0].Rows = v.Tables[0].Rows[1:] }),
		"an owner of 200": view(func(v *View) { v.Tables[0].Rows[7] = MakeRow(200) }),
		"one before, 65":  view(func(v *View) { v.Tables[0].Rows[4095] = MakeRow(2, 3, 65) }),
		"a member of 0":   view(func(v *View) { v.Members[0].Node = 0 }),
		"a member of 255": view(func(v *View) { v.Members[0].Node = 255 }),
	} {
		if (Message{Kind: MsgInstall, View: &v}).sound(2) || (Message{Kind: MsgReport, Report: &Report{Node: 2, View: v}}).sound(2) {
			t.Errorf("%s is sound", name)
		}
	}
	whole := view(func(v *View) { v.Tables[0].Rows[0] = MakeRow(64, 1, 2, 3) })
	if !(Message{Kind: MsgInstall, View: &whole}).sound(2) || !(Message{Kind: MsgReport, Report: &Report{Node: 2, View: whole}}).sound(2) {
		t.Error("nothing is wrong, and it is not sound")
	}

	// A coordinator whose member says what cannot be.
	now := time.Unix(1, 0)
	m := NewMachine(1, func(core.NodeID) string { return "n" }, Settings{Weights: map[string]Weights{"g": {1: 1, 2: 1}}}, Timing{})
	m.Step(now, PeerDigest{Node: 2, Digest: Digest{Present: true, Ready: true}})
	m.Step(now, Started{})
	for range 10 {
		now = now.Add(10 * time.Millisecond)
		m.Step(now, Tick{})
	}
	if m.round == nil || !m.round.waiting[2] {
		t.Fatal("the member was not asked")
	}
	m.Step(now, Received{From: 2, Message: Message{Kind: MsgReport, Round: m.round.id, Report: &Report{Node: 200}}})
	if m.round == nil || slices.ContainsFunc(m.round.reports, func(r Report) bool { return r.Node == 200 }) {
		t.Error("the report of a node 200 counts")
	}
}
