package link

import (
	"bufio"
	"crypto/tls"
	"net"
	"sync"
)

// chunk is what is read or written by one system call at most. TLS by itself makes one or
// two for each of its records, which hold 16 KiB.
const chunk = 256 << 10

// conn is a TLS connection whose records are gathered below TLS until the Write ends that
// they are of.
type conn struct {
	*tls.Conn
	wire    *wire
	writing sync.Mutex
}

// secure makes the TLS end of a connection; end is tls.Server or tls.Client.
func secure(raw net.Conn, end func(net.Conn, *tls.Config) *tls.Conn, config *tls.Config) *conn {
	// Records of one packet each, as they are at first otherwise, are for readers that
	// show what they have.
	config.DynamicRecordSizingDisabled = true
	w := &wire{Conn: raw, in: bufio.NewReaderSize(raw, chunk)}
	return &conn{Conn: end(w, config), wire: w}
}

// Write writes b, and returns when the kernel has all of it.
func (c *conn) Write(b []byte) (int, error) {
	c.writing.Lock()
	defer c.writing.Unlock()
	if err := c.Handshake(); err != nil { // it waits for answers: nothing of it is gathered
		return 0, err
	}
	c.wire.gather(true)
	n, err := c.Conn.Write(b)
	if failed := c.wire.gather(false); err == nil {
		err = failed
	}
	return n, err
}

// Close closes the connection, and tells the peer so unless a Write is under way: that
// may wait for the peer.
func (c *conn) Close() error {
	if !c.writing.TryLock() {
		return c.wire.Conn.Close()
	}
	defer c.writing.Unlock()
	return c.Conn.Close()
}

// wire is the connection below TLS.
type wire struct {
	net.Conn
	in *bufio.Reader

	mu        sync.Mutex
	gathering bool
	out       []byte
	err       error // of what was gathered
}

func (w *wire) Read(b []byte) (int, error) { return w.in.Read(b) }

// Write takes what TLS writes, each record as a whole.
func (w *wire) Write(b []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.gathering {
		return w.Conn.Write(b)
	}
	if len(w.out)+len(b) > chunk {
		w.flush()
	}
	w.out = append(w.out, b...)
	return len(b), w.err
}

// gather begins to gather, or ends it and writes what there is.
func (w *wire) gather(on bool) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.gathering = on; !on {
		w.flush()
	}
	return w.err
}

// flush writes what was gathered, with w.mu held.
func (w *wire) flush() {
	if len(w.out) > 0 && w.err == nil {
		_, w.err = w.Conn.Write(w.out)
	}
	w.out = w.out[:0]
}
