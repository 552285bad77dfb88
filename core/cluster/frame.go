package cluster

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/orchestrator-ha/orchestrator/core"
)

const (
	// MaxPayload is the largest payload of a message, call or answer, in bytes.
	MaxPayload = 1 << 20
	// MaxFast is the largest payload that SendFast takes, in bytes: with kind,
	// headers, encryption and label it stays within a packet of 1,400 bytes.
	MaxFast = 1100

	maxKind     = 64
	frameFormat = 1
	frameHeader = 1 + 1 + 1 + 1 + 8 + 8 + 8 + 1
)

// frameType says what a frame is for.
type frameType uint8

const (
	frameMessage frameType = iota + 1
	frameRequest
	frameReply
	frameFailure // a reply whose payload is the text of an error
	frameLeave   // the sender goes on purpose
)

// frame is what travels. Layout, big-endian:
//
//	format(1) type(1) from(1) to(1) session(8) number(8) ref(8) len(kind)(1) kind payload
type frame struct {
	typ     frameType
	from    core.NodeID
	to      core.NodeID
	session uint64 // random, chosen when the sender started
	number  uint64 // of the frame within the session, from 1
	ref     uint64 // request: its number at the sender; reply: that of the request
	kind    string
	payload []byte
}

var errFrame = errors.New("read a message: it is damaged or of another version of this program")

func (f frame) check() error {
	if len(f.kind) > maxKind {
		return fmt.Errorf("the kind of a message has at most %d bytes: %q", maxKind, f.kind)
	}
	if len(f.payload) > MaxPayload {
		return fmt.Errorf("a message of kind %s has %d bytes: at most %d are carried", f.kind, len(f.payload), MaxPayload)
	}
	return nil
}

func (f frame) encode() []byte {
	b := make([]byte, 0, frameHeader+len(f.kind)+len(f.payload))
	b = append(b, frameFormat, byte(f.typ), byte(f.from), byte(f.to))
	b = binary.BigEndian.AppendUint64(b, f.session)
	b = binary.BigEndian.AppendUint64(b, f.number)
	b = binary.BigEndian.AppendUint64(b, f.ref)
	b = append(b, byte(len(f.kind)))
	b = append(b, f.kind...)
	return append(b, f.payload...)
}

// decodeFrame copies what it keeps: memberlist uses the buffer again.
func decodeFrame(b []byte) (frame, error) {
	if len(b) < frameHeader || b[0] != frameFormat {
		return frame{}, errFrame
	}
	f := frame{
		typ: frameType(b[1]), from: core.NodeID(b[2]), to: core.NodeID(b[3]),
		session: binary.BigEndian.Uint64(b[4:]),
		number:  binary.BigEndian.Uint64(b[12:]),
		ref:     binary.BigEndian.Uint64(b[20:]),
	}
	size := int(b[28])
	rest := b[frameHeader:]
	if size > maxKind || len(rest) < size || f.typ < frameMessage || f.typ > frameLeave {
		return frame{}, errFrame
	}
	f.kind = string(rest[:size])
	f.payload = append([]byte(nil), rest[size:]...)
	return f, f.check()
}
