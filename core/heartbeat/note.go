package heartbeat

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"maps"
	"slices"

	"github.com/orchestrator-ha/orchestrator/core"
)

// A note is what does not fit the digest: a few hundred bytes under a key, for
// somebody who needs the latest of it, soon, and can do without those in between. It
// goes in a packet of its own, which is a beat in every other respect: sealed alike,
// sent on all networks, at once when it is new, and again and again.

// MaxNote is how many bytes a note may have.
const MaxNote = MaxDigest - noteKeyLen

const (
	noteKeyLen = 4
	noteEvery  = 5 // beats from one repetition of a note to the next
)

// note is one that this node tells.
type note struct {
	key  uint32
	text []byte // key and content, as they are sent
	wait int    // beats until it is sent again
}

// heardNote is the latest that a peer told under a key.
type heardNote struct {
	seq  uint64
	text []byte
}

// SetNote changes what is told under a key; it is sent at once, then repeated. nil ends
// that: peers then keep what they heard last. It fails if b is longer than MaxNote.
func (h *Heartbeat) SetNote(key uint32, b []byte) error {
	if len(b) > MaxNote {
		return fmt.Errorf("set heartbeat note: %d bytes are more than %d", len(b), MaxNote)
	}
	h.nets.Lock()
	defer h.nets.Unlock()
	all := map[uint32][]byte{}
	if old := h.e.notes.Load(); old != nil {
		all = maps.Clone(*old)
	}
	delete(all, key)
	if b != nil {
		all[key] = append(binary.BigEndian.AppendUint32(nil, key), b...)
	}
	h.e.notes.Store(&all)
	h.wake()
	return nil
}

// setNotes takes over what this node tells. What is new is sent with the next beat,
// which is one at once.
func (d *detector) setNotes(all map[uint32][]byte) {
	old := d.notes
	d.notes = nil
	for _, key := range slices.Sorted(maps.Keys(all)) {
		n := note{key: key, text: all[key]}
		if at := slices.IndexFunc(old, func(o note) bool { return o.key == key }); at >= 0 && bytes.Equal(old[at].text, n.text) {
			n.wait = old[at].wait
		}
		if n.wait == 0 {
			d.urgent = true
		}
		d.notes = append(d.notes, n)
	}
}

// dueNote is the next note to be sent with the beat that has just been sent.
func (d *detector) dueNote(at int) (next int, text []byte) {
	for ; at < len(d.notes); at++ {
		n := &d.notes[at]
		if n.wait--; n.wait < 0 {
			n.wait = noteEvery - 1
			return at + 1, n.text
		}
	}
	return at, nil
}

// hearNote reports a note that is new. Of two networks the slower one may bring an
// older one.
func (d *detector) hearNote(now int64, p *peer, pk *packet) {
	if p.verdict == VerdictLost {
		return
	}
	old, known := p.notes[pk.key]
	if known && pk.seq <= old.seq {
		return
	}
	next := heardNote{pk.seq, old.text}
	changed := !known || !bytes.Equal(old.text, pk.digest)
	if changed {
		next.text = bytes.Clone(pk.digest)
	}
	if p.notes == nil {
		p.notes = map[uint32]heardNote{}
	}
	p.notes[pk.key] = next
	if changed {
		d.emit(now, Event{Kind: Note, Node: p.id, Incarnation: p.incarnation, Key: pk.key, Payload: bytes.Clone(pk.digest)})
	}
}

// tellNotes sends the notes that are due, after a beat.
func (e *engine) tellNotes(now int64) {
	for at := 0; ; {
		var text []byte
		if at, text = e.det.dueNote(at); text == nil {
			return
		}
		e.det.fill(now, &e.out)
		e.out.note, e.out.digest, e.out.goodbye = true, text, false
		e.sendAll()
	}
}

// sendAll sends the packet that is made up to everybody.
func (e *engine) sendAll() {
	for i := range e.det.networks {
		b := e.codec.seal(e.buf[:0], &e.out, networkTag(e.det.networks[i].Name))
		for _, id := range e.det.ids {
			e.sendTo(i, id, b)
		}
	}
}

func (e *engine) sendTo(network int, id core.NodeID, b []byte) {
	if !e.det.peers[id].paths[network].used {
		return
	}
	if e.wire.send(network, id, b) != nil {
		e.count.SendErrors++ // silence is what peers and Status show of it
	} else {
		e.count.Sent++
	}
}
