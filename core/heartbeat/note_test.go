package heartbeat

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"slices"
	"testing"
	"time"
)

// tells sets a node's notes.
func (s *sim) tells(id int, notes map[uint32]string) {
	all := map[uint32][]byte{}
	for key, text := range notes {
		all[key] = append(binary.BigEndian.AppendUint32(nil, key), text...)
	}
	s.nodes[id-1].det.setNotes(all)
}

// notes are those that a node heard of another, in order.
func (s *sim) notes(id int, about uint8) []string {
	var list []string
	for _, e := range s.nodes[id-1].events {
		if e.Kind == Note && uint8(e.Node) == about {
			list = append(list, fmt.Sprintf("%d %s", e.Key, e.Payload))
		}
	}
	return list
}

func (s *sim) heardNotes(t *testing.T, what string, want ...string) {
	t.Helper()
	if got := s.notes(1, 2); !slices.Equal(got, want) {
		t.Errorf("%s: n1 has heard %q of n2, not %q", what, got, want)
	}
	s.forget()
}

// A note is heard at once, once while it stays the same, and again by whoever lost its
// sender meanwhile; the digest is heard beside it.
func TestNotes(t *testing.T) {
	s := newSim(3, 1, "default", "backup")
	s.run(200 * time.Millisecond)
	s.forget()
	s.nodes[1].det.setDigest([]byte("digest"))
	s.tells(2, map[uint32]string{7: "one", 9: "other"})
	s.nodes[1].det.due = s.now
	s.run(3 * time.Millisecond)
	if d := s.of(1, Digest, 2); len(d) != 1 || !bytes.Equal(d[0].Payload, []byte("digest")) {
		t.Errorf("of the digest n1 has heard %v", d)
	}
	s.heardNotes(t, "at once", "7 one", "9 other")
	s.run(2 * time.Second)
	s.heardNotes(t, "nothing new")
	s.tells(2, map[uint32]string{7: "two"})
	s.run(100 * time.Millisecond)
	s.heardNotes(t, "one of two changed, the other ended", "7 two")

	s.nodes[0].cut[0], s.nodes[0].cut[1] = true, true
	s.run(time.Second)
	s.forget()
	s.nodes[0].cut[0], s.nodes[0].cut[1] = false, false
	s.run(500 * time.Millisecond)
	s.heardNotes(t, "after a silence", "7 two")

	s.boot(2, 500, 3, "default", "backup")
	s.tells(2, map[uint32]string{7: "two"})
	s.run(500 * time.Millisecond)
	s.heardNotes(t, "after a restart", "7 two")
}

// What is lost is repeated, and the slower of two networks brings nothing old.
func TestNotesOnBadNetworks(t *testing.T) {
	s := newSim(2, 3, "default", "backup")
	s.run(200 * time.Millisecond)
	s.forget()
	lost := 0
	s.delay = func(_, _, network int) int64 {
		if lost++; lost%3 == 0 {
			return -1
		}
		return []int64{200_000, 30 * msec}[network]
	}
	for i := range 40 {
		s.tells(2, map[uint32]string{7: fmt.Sprintf("%02d", i)})
		s.run(time.Duration(5+i) * time.Millisecond)
	}
	s.run(time.Second)
	got := s.notes(1, 2)
	if !slices.IsSorted(got) || len(got) < 20 || got[len(got)-1] != "7 39" || len(slices.Compact(got)) != len(got) {
		t.Errorf("heard %q", got)
	}
}

// A packet with a note is a beat: it comes through the seal with its key, and a
// longer one is refused.
func TestNotePacket(t *testing.T) {
	want := samplePacket(5)
	want.goodbye, want.note, want.digest = false, true, append(binary.BigEndian.AppendUint32(nil, 77), bytes.Repeat([]byte("n"), MaxNote)...)
	b := testCodec(t, 1, 1, 5).seal(nil, want, 7)
	if len(b) > maxPacket {
		t.Errorf("a packet of %d bytes", len(b))
	}
	var got packet
	if err := testCodec(t, 1, 2, 9).open(b, &got, 7); err != nil || !got.note || got.key != 77 || len(got.digest) != MaxNote {
		t.Errorf("%v %+v", err, got)
	}
	b[1] = 'h' // the kind is sealed, too
	if err := testCodec(t, 1, 2, 9).open(b, &got, 7); err == nil {
		t.Error("a note was made a digest")
	}
	want.digest = []byte("abc")
	b = testCodec(t, 1, 1, 5).seal(nil, want, 7)
	if err := testCodec(t, 1, 2, 9).open(b, &got, 7); err == nil {
		t.Error("a note without a key was taken")
	}
	h := &Heartbeat{e: &engine{}}
	if h.SetNote(1, make([]byte, MaxNote+1)) == nil {
		t.Error("a note that is too long was taken")
	}
}
