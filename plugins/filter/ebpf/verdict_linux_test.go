package ebpf

import (
	"bytes"
	"context"
	"encoding/binary"
	"maps"
	"math/rand/v2"
	"testing"

	bpf "github.com/cilium/ebpf"
	"github.com/gopacket/gopacket/layers"
)

// program is one of the two ways in, with its return codes by name.
type program struct {
	name  string
	codes map[uint32]string
	run   func(fx *fixture, frame []byte) (uint32, []byte)
}

func programs() []program {
	return []program{
		{howNative, map[uint32]string{1: "drop", 2: "pass", 3: "send"}, (*fixture).run},
		{howTCX, map[uint32]string{2: "drop", 0xffffffff: "pass", 7: "send"}, (*fixture).runTCX},
	}
}

// runTCX is run for the tcx program.
func (fx *fixture) runTCX(frame []byte) (uint32, []byte) {
	fx.t.Helper()
	// struct __sk_buff of linux/bpf.h up to ifindex.
	opts := bpf.RunOptions{Data: frame, DataOut: make([]byte, len(frame)+64), Context: [11]uint32{10: uint32(fx.ifindex)}}
	verdict, err := fx.program(linkIn).Run(&opts)
	check0(fx.t, err)
	return verdict, opts.DataOut
}

func TestVerdict(t *testing.T) {
	for _, p := range programs() {
		t.Run(p.name, func(t *testing.T) {
			fx := newFixture(t, p.name)
			port := fx.connect()
			for _, cases := range [][]verdictCase{freshCases(), openCases(&port), otherCases(&port)} {
				for _, c := range cases {
					fx.check(t, p, c)
				}
			}
		})
		t.Run(p.name+"/last of a round", func(t *testing.T) {
			fx := newFixture(t, p.name)
			fx.config.Self = 5
			_, err := fx.filter.Configure(context.Background(), fx.config)
			check0(t, err)
			for _, c := range roundEndCases() {
				fx.check(t, p, c)
			}
		})
	}
}

// check runs one case in this goroutine, as the namespace is the thread's.
func (fx *fixture) check(t *testing.T, p program, c verdictCase) {
	t.Helper()
	fx.setRows(rowsOf(c.row), !c.notReady, !c.disagreed)
	lease := bootNow(t) + hour
	if c.noLease {
		lease = bootNow(t) - 1
	}
	check0(t, fx.filter.Renew(lease))
	frame := fx.frame(c.kind, c.change)
	if c.raw != nil {
		c.raw(frame)
	}
	var (
		code uint32
		out  []byte
	)
	moved := fx.counted(func() { code, out = p.run(fx, frame) })
	got, want := p.codes[code], c.want
	if want == "accept" {
		want = "pass"
	}
	if got != want {
		t.Errorf("%s: verdict %s (%d), want %s; counters %v", c.name, got, code, want, moved)
		return
	}
	wantMoved := map[string]uint64{}
	if c.reason != "" {
		wantMoved["web/"+c.reason] = 1
	}
	if !maps.Equal(moved, wantMoved) {
		t.Errorf("%s: counters %v moved, want %v", c.name, moved, wantMoved)
	}
	expected := frame
	if c.want == "send" && c.kind != "arp" {
		expected = forwarded(frame, c.to, c.ttl)
	}
	if c.kind != "arp" && !bytes.Equal(out, expected) {
		t.Errorf("%s: frame is\n%x, want\n%x", c.name, out, expected)
	}
}

// forwarded is what must become of a frame on its way to a node.
func forwarded(frame []byte, to, ttl uint8) []byte {
	f := bytes.Clone(frame)
	mac := macOf(to)
	copy(f, mac[:])
	copy(f[6:], ownMAC[:])
	f[22] = ttl
	binary.BigEndian.PutUint16(f[24:], 0)
	binary.BigEndian.PutUint16(f[24:], checksum(f[14:14+int(f[14]&15)*4]))
	return f
}

// checksum is the Internet checksum (RFC 1071).
func checksum(b []byte) uint16 {
	var sum uint32
	for n := 0; n+1 < len(b); n += 2 {
		sum += uint32(binary.BigEndian.Uint16(b[n:]))
	}
	for sum > 0xffff {
		sum = sum>>16 + sum&0xffff
	}
	return ^uint16(sum)
}

// TestModelTwin holds the kernel's verdict against the model on random states.
func TestModelTwin(t *testing.T) {
	fx := newFixture(t)
	port := fx.connect()
	rnd := rand.New(rand.NewPCG(3, 4))
	seen := map[string]int{}
	for n := range 3000 {
		q := question{
			row: randomRow(rnd), self: []uint8{1, 3, 6}[n/1000], serve: rnd.IntN(5) > 0, ready: rnd.IntN(4) > 0, agreed: rnd.IntN(3) > 0,
			round: rnd.IntN(2) == 0, fresh: rnd.IntN(3) == 0, socket: rnd.IntN(3) == 0,
		}
		if n%1000 == 0 {
			fx.config.Self = q.self
			_, err := fx.filter.Configure(context.Background(), fx.config)
			check0(t, err)
		}
		if from := uint8(1 + rnd.IntN(6)); from != q.self && rnd.IntN(2) == 0 {
			q.from = from
		}
		c := caseOf(q, port)
		seen[c.reason]++
		fx.check(t, programs()[0], c)
		if t.Failed() {
			t.Fatalf("%+v", q)
		}
	}
	t.Log(seen)
}

// randomRow is a row as they come: no node twice, no gap but for a missing owner.
func randomRow(rnd *rand.Rand) uint32 {
	nodes := rnd.Perm(6)[:rnd.IntN(5)]
	var row uint32
	for n, node := range nodes {
		row |= uint32(node+1) << (8 * n)
	}
	if len(nodes) == 4 || rnd.IntN(10) > 0 {
		return row
	}
	return row << 8
}

// caseOf turns a question of the model into a frame and its answer.
func caseOf(q question, port uint16) verdictCase {
	a := model(q)
	c := verdictCase{
		name: "model", row: q.row, notReady: !q.ready, noLease: !q.serve, disagreed: !q.agreed, kind: "tcp",
		reason: a.reason, to: a.forward, want: "drop",
	}
	ttl := uint8(64)
	if q.round {
		ttl = 63
	}
	switch {
	case a.accept:
		c.want = "accept"
	case a.forward != 0:
		c.want, c.ttl = "send", ttl-1
		if (c.ttl&1 == 1) != a.round {
			c.ttl--
		}
	}
	c.change = func(p *packet) {
		p.ip.TTL = ttl
		p.tcp.DstPort = openPort
		if q.socket {
			p.tcp.SrcPort = layers.TCPPort(port)
		} else {
			p.tcp.SrcPort = layers.TCPPort(port ^ 1)
		}
		p.tcp.SYN, p.tcp.ACK = q.fresh, !q.fresh
		if q.from != 0 {
			p.eth.SrcMAC = hardware(macOf(q.from))
		}
	}
	return c
}
