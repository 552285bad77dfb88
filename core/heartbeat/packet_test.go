package heartbeat

import (
	"bytes"
	"errors"
	"net/netip"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/orchestrator-ha/orchestrator/core"
)

func testCodec(t testing.TB, key byte, self core.NodeID, incarnation uint64) *codec {
	t.Helper()
	c, err := newCodec(bytes.Repeat([]byte{key}, keyLen), self, incarnation)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func samplePacket(incarnation uint64) *packet {
	p := &packet{sender: 1, incarnation: incarnation, seq: 4711, goodbye: true, timeout: 170 * time.Millisecond,
		heard: 1<<63 | 6, networks: 2, digest: bytes.Repeat([]byte("d"), 200)}
	p.heardOn[0], p.heardOn[1] = heardOn{7, 2}, heardOn{9, 6}
	return p
}

func TestPacketRoundTrip(t *testing.T) {
	for _, digest := range [][]byte{{}, []byte("x"), bytes.Repeat([]byte("d"), MaxDigest)} {
		want := samplePacket(5)
		want.digest = digest
		b := testCodec(t, 1, 1, 5).seal(nil, want, 7)
		if len(b) > maxPacket {
			t.Errorf("a packet of %d bytes", len(b))
		}
		var got packet
		if err := testCodec(t, 1, 2, 9).open(b, &got, 7); err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(*want, got, cmp.AllowUnexported(packet{}, heardOn{})); d != "" {
			t.Error(d)
		}
		if !got.heardByOn(3, 9) || got.heardByOn(3, 7) || got.heardByOn(3, 8) {
			t.Error("wrong nodes heard on a network")
		}
	}
}

func TestPacketIsRefused(t *testing.T) {
	sender := testCodec(t, 1, 1, 5)
	good := sender.seal(nil, samplePacket(5), 7)
	older := testCodec(t, 1, 1, 4).seal(nil, samplePacket(4), 7)
	change := func(i int, x byte) []byte {
		b := bytes.Clone(good)
		b[i] ^= x
		return b
	}
	receiver := testCodec(t, 1, 2, 9)
	var p packet
	if err := receiver.open(good, &p, 7); err != nil {
		t.Fatal(err)
	}
	tests := map[string]struct {
		b    []byte
		tag  uint16
		want error
	}{
		"another version":       {change(2, 3), 7, errVersion},
		"another magic":         {change(0, 1), 7, errForeign},
		"another sender":        {change(3, 2), 7, errForeign},
		"this node as sender":   {change(3, 3), 7, errForeign},
		"node 200 as sender":    {change(3, 201), 7, errForeign},
		"another network":       {good, 8, errForeign},
		"forged network":        {change(5, 7^8), 8, errForeign},
		"forged incarnation":    {change(8, 1), 7, errForeign},
		"forged sequence":       {change(23, 1), 7, errForeign},
		"forged body":           {change(30, 1), 7, errForeign},
		"forged end":            {change(len(good)-1, 1), 7, errForeign},
		"cut short":             {good[:len(good)-1], 7, errForeign},
		"empty":                 {nil, 7, errForeign},
		"an earlier run":        {older, 7, errReplay},
		"another cluster's key": {testCodec(t, 2, 1, 5).seal(nil, samplePacket(5), 7), 7, errForeign},
	}
	for name, c := range tests {
		if err := receiver.open(c.b, &p, c.tag); !errors.Is(err, c.want) {
			t.Errorf("%s: %v instead of %v", name, err, c.want)
		}
	}
	if err := receiver.open(good, &p, 7); err != nil {
		t.Errorf("the genuine packet after forged ones: %v", err)
	}
	receiver.forget(1)
	if err := receiver.open(older, &p, 7); err != nil {
		t.Errorf("an earlier run after forget: %v", err)
	}
}

func FuzzOpen(f *testing.F) {
	f.Add(testCodec(f, 1, 1, 5).seal(nil, samplePacket(5), 7))
	f.Fuzz(func(t *testing.T, b []byte) {
		var p packet
		testCodec(t, 1, 2, 9).open(b, &p, 7)
		if len(b) >= fixedLen {
			p.read(b)
		}
	})
}

func TestCodecDoesNotAllocate(t *testing.T) {
	a, b := testCodec(t, 1, 1, 5), testCodec(t, 1, 2, 9)
	p, got, buf := samplePacket(5), packet{}, make([]byte, 0, maxPacket)
	if n := testing.AllocsPerRun(100, func() {
		p.seq++
		if err := b.open(a.seal(buf, p, 7), &got, 7); err != nil {
			t.Error(err)
		}
	}); n != 0 {
		t.Errorf("%v allocations a packet", n)
	}
}

// TestSettledDetectorDoesNotAllocate: the steady state costs no garbage.
func TestSettledDetectorDoesNotAllocate(t *testing.T) {
	s := settled(t, 3, "default", "backup")
	d, now := s.nodes[0].det, s.now
	var own packet
	pk := packet{sender: 2, incarnation: 102, seq: s.nodes[1].det.seq, timeout: 100 * time.Millisecond, heard: 5}
	var b board
	if n := testing.AllocsPerRun(100, func() {
		now += 10 * msec
		pk.seq++
		pk.sender, pk.incarnation = 2, 102
		d.receive(now, 0, &pk)
		pk.sender, pk.incarnation = 3, 103
		d.receive(now, 1, &pk)
		if d.tick(now).beat {
			d.fill(now, &own)
		}
		b.publish(d, Counters{})
		d.done()
	}); n != 0 {
		t.Errorf("%v allocations a round", n)
	}
}

func TestOptionsAreChecked(t *testing.T) {
	good := func() Options {
		return Options{Self: 1, Incarnation: 1, Key: make([]byte, keyLen), Networks: simNetworks(1, 3, "default", "backup"), Events: func(Event) {}}
	}
	o := good()
	if err := o.check(); err != nil || o.Interval != DefaultInterval || o.Timeout != DefaultTimeout {
		t.Fatalf("%v, %+v", err, o)
	}
	for name, spoil := range map[string]func(o *Options){
		"node 0":          func(o *Options) { o.Self = 0 },
		"node 65":         func(o *Options) { o.Self = 65 },
		"incarnation":     func(o *Options) { o.Incarnation = 0 },
		"key":             func(o *Options) { o.Key = o.Key[1:] },
		"short timeout":   func(o *Options) { o.Timeout = 2 * DefaultInterval },
		"short interval":  func(o *Options) { o.Interval = time.Microsecond },
		"long digest":     func(o *Options) { o.Digest = make([]byte, MaxDigest+1) },
		"no events":       func(o *Options) { o.Events = nil },
		"same name twice": func(o *Options) { o.Networks[1].Name = "default" },
		"no address":      func(o *Options) { o.Networks[0].Local = netip.AddrPort{} },
		"mixed families":  func(o *Options) { o.Networks[0].Peers[2] = netip.MustParseAddrPort("[fd00::2]:4800") },
		"peer 65":         func(o *Options) { o.Networks[0].Peers[65] = o.Networks[0].Peers[2] },
		"nine networks":   func(o *Options) { o.Networks = simNetworks(1, 3, "a", "b", "c", "d", "e", "f", "g", "h", "i") },
	} {
		o := good()
		spoil(&o)
		if o.check() == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

func BenchmarkSeal(b *testing.B) {
	c, p, buf := testCodec(b, 1, 1, 5), samplePacket(5), make([]byte, 0, maxPacket)
	b.ReportAllocs()
	for b.Loop() {
		p.seq++
		c.seal(buf, p, 7)
	}
}

func BenchmarkOpen(b *testing.B) {
	packed, c := testCodec(b, 1, 1, 5).seal(nil, samplePacket(5), 7), testCodec(b, 1, 2, 9)
	var p packet
	b.ReportAllocs()
	for b.Loop() {
		if err := c.open(packed, &p, 7); err != nil {
			b.Fatal(err)
		}
	}
}
