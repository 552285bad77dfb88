package stream

import "sync"

// outbox holds frames that are to be written, in pieces of two sizes: one holds many
// small frames, the other the largest. They are used again, as memory that is new to a process
// costs more than what is copied into it.
type outbox struct {
	pieces []*[]byte
	size   int
}

const (
	smallPiece = 128 << 10
	frameHead  = maxFrame - MaxData // more than all of a frame but its data
)

var (
	smallPieces = sync.Pool{New: func() any { return newPiece(smallPiece) }}
	largePieces = sync.Pool{New: func() any { return newPiece(MaxData + frameHead) }}
)

func newPiece(size int) *[]byte {
	b := make([]byte, 0, size)
	return &b
}

// add appends the frame of an operation and answers its size.
func (o *outbox) add(seq Seq, op *Op) (int, error) {
	if err := op.check(); err != nil {
		return 0, err
	}
	p := o.room(len(op.Data) + frameHead)
	before := len(*p)
	var err error
	*p, err = appendFrame(*p, seq, op)
	size := len(*p) - before
	o.size += size
	return size, err
}

// room is the piece that so many bytes fit into.
func (o *outbox) room(size int) *[]byte {
	if n := len(o.pieces); n > 0 {
		if p := o.pieces[n-1]; cap(*p)-len(*p) >= size {
			return p
		}
	}
	pool := &smallPieces
	if size > smallPiece {
		pool = &largePieces
	}
	p := pool.Get().(*[]byte)
	o.pieces = append(o.pieces, p)
	return p
}

// take empties the outbox.
func (o *outbox) take() []*[]byte {
	pieces := o.pieces
	o.pieces, o.size = nil, 0
	return pieces
}

// reuse gives back a piece that nobody reads any more.
func reuse(p *[]byte) {
	pool := &smallPieces
	if cap(*p) > smallPiece {
		pool = &largePieces
	}
	*p = (*p)[:0]
	pool.Put(p)
}
