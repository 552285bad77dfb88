package simtest

import (
	"errors"
	"io"
	"sync"
)

var errClosed = errors.New("this end is closed")

// wire is a connection. What is written at one end arrives at the other when the story says
// so, and each end learns in its own time that it has gone.
type wire struct {
	mu   sync.Mutex
	ends [2]*end
	cut  bool
}

// end is one end of a wire: a stream's connection.
type end struct {
	w       *wire
	other   *end
	change  *sync.Cond
	flying  []byte // written at the other end
	arrived []byte
	over    bool // nothing more is written at the other end, or arrives
	gone    bool // this end has noticed
	closed  bool // by this end
}

func newWire() *wire {
	w := &wire{}
	for i := range w.ends {
		w.ends[i] = &end{w: w, change: sync.NewCond(&w.mu)}
	}
	w.ends[0].other, w.ends[1].other = w.ends[1], w.ends[0]
	return w
}

func (e *end) Read(b []byte) (int, error) {
	e.w.mu.Lock()
	defer e.w.mu.Unlock()
	for len(e.arrived) == 0 && !e.gone && !e.closed {
		e.change.Wait()
	}
	if e.closed {
		return 0, errClosed
	}
	if len(e.arrived) == 0 {
		return 0, io.EOF
	}
	n := copy(b, e.arrived)
	e.arrived = e.arrived[n:]
	return n, nil
}

func (e *end) Write(b []byte) (int, error) {
	e.w.mu.Lock()
	defer e.w.mu.Unlock()
	if e.closed || e.gone {
		return 0, errClosed
	}
	if !e.w.cut && !e.other.closed {
		e.other.flying = append(e.other.flying, b...)
	}
	return len(b), nil
}

func (e *end) Close() error {
	e.w.mu.Lock()
	defer e.w.mu.Unlock()
	e.closed, e.other.over = true, true
	e.change.Broadcast()
	return nil
}

// deliver lets bytes arrive.
func (e *end) deliver(n int) {
	e.w.mu.Lock()
	defer e.w.mu.Unlock()
	n = min(n, len(e.flying))
	e.arrived, e.flying = append(e.arrived, e.flying[:n]...), e.flying[n:]
	e.change.Broadcast()
}

// sever cuts the wire. Some of what was on its way arrives all the same.
func (w *wire) sever(n int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.cut = true
	for _, e := range w.ends {
		e.over = true
		e.flying = e.flying[:n%(len(e.flying)+1)]
	}
}

// notice lets this end learn that the connection has gone, if it has.
func (e *end) notice() {
	e.w.mu.Lock()
	defer e.w.mu.Unlock()
	if e.over {
		e.gone, e.flying, e.arrived = true, nil, nil
		e.change.Broadcast()
	}
}

// lost says that the connection has gone, whether or not this end knows.
func (e *end) lost() bool {
	e.w.mu.Lock()
	defer e.w.mu.Unlock()
	return e.over || e.closed
}

// idle says that nothing is on its way to this end.
func (e *end) idle() bool {
	e.w.mu.Lock()
	defer e.w.mu.Unlock()
	return len(e.flying) == 0
}
