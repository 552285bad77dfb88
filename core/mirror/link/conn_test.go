package link

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"io"
	"math/big"
	"net"
	"sync/atomic"
	"testing"
	"time"
)

// counted counts system calls.
type counted struct {
	net.Conn
	reads, writes atomic.Int32
}

func (c *counted) Read(b []byte) (int, error) {
	c.reads.Add(1)
	return c.Conn.Read(b)
}

func (c *counted) Write(b []byte) (int, error) {
	c.writes.Add(1)
	return c.Conn.Write(b)
}

// ends are both of a connection over TCP.
func ends(t *testing.T) (near, far *conn, below *counted) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(t, err)
	template := &x509.Certificate{SerialNumber: big.NewInt(1), DNSNames: []string{"n"}, NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	must(t, err)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	defer l.Close()
	dialed, err := net.Dial("tcp", l.Addr().String())
	must(t, err)
	taken, err := l.Accept()
	must(t, err)
	below = &counted{Conn: dialed}
	far = secure(taken, tls.Server, &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}})
	near = secure(below, tls.Client, &tls.Config{InsecureSkipVerify: true})
	must(t, near.SetDeadline(time.Now().Add(10*time.Second)))
	shaken := make(chan error, 1)
	go func() { shaken <- far.Handshake() }()
	_, err = near.Write(nil) // shakes hands
	must(t, err)
	must(t, <-shaken)
	must(t, near.SetDeadline(time.Time{}))
	t.Cleanup(func() { near.Close(); far.Close() })
	below.writes.Store(0)
	return near, far, below
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// A write of many records is few system calls, and all of it arrives without another write.
func TestRecordsAreGathered(t *testing.T) {
	near, far, below := ends(t)
	sent := make([]byte, 1<<20)
	_, _ = rand.Read(sent)
	go func() {
		_, _ = near.Write(sent[:100])
		_, _ = near.Write(sent[100:])
	}()
	got := make([]byte, len(sent))
	_, err := io.ReadFull(far, got)
	must(t, err)
	if !bytes.Equal(got, sent) {
		t.Error("what arrived is not what was sent")
	}
	if n := below.writes.Load(); n > 7 {
		t.Errorf("%d writes for 1 MiB", n)
	}
}

// Close does not wait for a Write that waits for the peer, and ends it; else the peer learns
// that the connection was closed, and not cut.
func TestClose(t *testing.T) {
	near, far, _ := ends(t)
	ended := make(chan error, 1)
	go func() {
		for {
			if _, err := near.Write(make([]byte, 1<<20)); err != nil {
				ended <- err
				return
			}
		}
	}()
	for near.writing.TryLock() {
		near.writing.Unlock()
	}
	begin := time.Now()
	_ = near.Close()
	if <-ended; time.Since(begin) > 4*time.Second { // TLS would wait for five
		t.Errorf("it took %s", time.Since(begin))
	}
	_ = far.Close()

	near, far, _ = ends(t)
	must(t, near.Close())
	if _, err := far.Read(make([]byte, 1)); err != io.EOF {
		t.Errorf("the other end got %v", err)
	}
}
