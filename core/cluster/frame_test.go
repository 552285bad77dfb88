package cluster

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/orchestrator-ha/orchestrator/core"
	"pgregory.net/rapid"
)

func TestFrame(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		f := frame{
			typ:  frameType(rapid.IntRange(1, 5).Draw(t, "type")),
			from: core.NodeID(rapid.Byte().Draw(t, "from")), to: core.NodeID(rapid.Byte().Draw(t, "to")),
			session: rapid.Uint64().Draw(t, "session"), number: rapid.Uint64().Draw(t, "number"), ref: rapid.Uint64().Draw(t, "ref"),
			kind:    rapid.StringN(0, 16, maxKind).Draw(t, "kind"),
			payload: append([]byte(nil), rapid.SliceOf(rapid.Byte()).Draw(t, "payload")...),
		}
		b := f.encode()
		got, err := decodeFrame(b)
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(f, got, cmp.AllowUnexported(frame{})); d != "" {
			t.Fatal(d)
		}
		cut := rapid.IntRange(0, frameHeader+len(f.kind)-1).Draw(t, "cut")
		if _, err := decodeFrame(b[:cut]); err == nil {
			t.Fatalf("cut at %d and accepted", cut)
		}
	})
}

func TestFrameRefusesRubbish(t *testing.T) {
	good := frame{typ: frameMessage, kind: "k"}.encode()
	for i, v := range map[int]byte{0: 9, 1: 0, 28: 200} {
		b := append([]byte(nil), good...)
		b[i] = v
		if _, err := decodeFrame(b); err == nil {
			t.Errorf("byte %d = %d was accepted", i, v)
		}
	}
	big := frame{typ: frameMessage, payload: make([]byte, MaxPayload+1)}
	if big.check() == nil {
		t.Error("a payload over the limit was accepted")
	}
	if (frame{kind: string(make([]byte, maxKind+1))}).check() == nil {
		t.Error("a kind over the limit was accepted")
	}
}

// Against a plain set: each number passes once, unless it is too far behind.
func TestSeen(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := &seen{}
		type key struct{ session, number uint64 }
		had, last := map[key]bool{}, map[uint64]uint64{}
		at := uint64(1)
		for range rapid.IntRange(1, 300).Draw(t, "frames") {
			session := rapid.Uint64Range(1, keptWindows).Draw(t, "session")
			step := rapid.SampledFrom([]int64{-windowBits - 1, -windowBits, -300, -2, -1, 0, 1, 2, 300, windowBits - 1, windowBits, 3 * windowBits}).Draw(t, "step")
			at = uint64(max(1, int64(at)+step))
			k := key{session, at}
			want := !had[k] && at+windowBits > last[session]
			if got := s.first(session, at); got != want {
				t.Fatalf("session %d number %d (last %d): %v", session, at, last[session], got)
			}
			if want {
				had[k] = true
			}
			last[session] = max(last[session], at)
		}
	})
}

func TestSeenForgetsOldSessions(t *testing.T) {
	s := &seen{}
	for i := range uint64(100) {
		if !s.first(i, 1) {
			t.Fatalf("session %d was not let in", i)
		}
	}
	if len(s.windows) != keptWindows {
		t.Errorf("%d sessions are kept", len(s.windows))
	}
}

func TestPlan(t *testing.T) {
	p := plan{}
	now := time.Unix(0, 0)
	peers := []Peer{{Number: 2}}
	var at []time.Duration
	for start := now; now.Sub(start) < time.Minute; {
		list, wait := p.due(now, peers)
		if len(list) > 0 {
			at = append(at, now.Sub(start))
		}
		if wait <= 0 || wait > firstDelay {
			t.Fatalf("wait %s", wait)
		}
		now = now.Add(wait)
	}
	want := []time.Duration{0, 2 * time.Second, 6 * time.Second, 14 * time.Second, 29 * time.Second, 44 * time.Second, 59 * time.Second}
	if !cmp.Equal(at, want) {
		t.Errorf("contacted at %v", at)
	}
	p.due(now, nil) // it came back
	if list, _ := p.due(now, peers); len(list) != 1 {
		t.Error("a node that was lost again is not contacted at once")
	}
}
