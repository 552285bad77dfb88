package cluster

import (
	"io"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// road leads to one node, TCP and UDP, and can be closed.
type road struct {
	closed atomic.Bool
	entry  netip.AddrPort
}

func newRoad(t *testing.T, to netip.AddrPort) *road {
	t.Helper()
	l, err := net.ListenTCP("tcp", net.TCPAddrFromAddrPort(netip.AddrPortFrom(loopback, 0)))
	if err != nil {
		t.Fatal(err)
	}
	r := &road{entry: l.Addr().(*net.TCPAddr).AddrPort()}
	u, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(r.entry))
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	wg.Go(func() { r.packets(u, to) })
	wg.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			wg.Go(func() { r.stream(c, to) })
		}
	})
	t.Cleanup(func() { l.Close(); u.Close(); wg.Wait() })
	return r
}

func (r *road) packets(u *net.UDPConn, to netip.AddrPort) {
	b := make([]byte, 1<<16)
	for {
		n, _, err := u.ReadFromUDPAddrPort(b)
		if err != nil {
			return
		}
		if !r.closed.Load() {
			u.WriteToUDPAddrPort(b[:n], to)
		}
	}
}

func (r *road) stream(in net.Conn, to netip.AddrPort) {
	defer in.Close()
	if r.closed.Load() {
		return
	}
	out, err := net.Dial("tcp", to.String())
	if err != nil {
		return
	}
	defer out.Close()
	go func() { io.Copy(out, in); out.(*net.TCPConn).CloseWrite() }()
	io.Copy(in, out)
}

// After a partition that was long enough for both sides to declare each other
// dead, they find together again by themselves, and at once when told that the
// other was heard.
func TestGossipHealsAPartition(t *testing.T) {
	for _, nudged := range []bool{true, false} {
		one, two := startReal(t, Options{Self: 1}), startReal(t, Options{Self: 2})
		to1, to2 := newRoad(t, one.port), newRoad(t, two.port)
		one.UpdatePeers([]Peer{{Number: 2, Name: "web2", Addresses: []netip.AddrPort{to2.entry}}})
		two.UpdatePeers([]Peer{{Number: 1, Name: "web1", Addresses: []netip.AddrPort{to1.entry}}})
		one.await(t, "node 2", kindOf(Joined, 2))
		two.await(t, "node 1", kindOf(Joined, 1))
		to1.closed.Store(true)
		to2.closed.Store(true)
		one.await(t, "node 2 is lost", kindOf(Left, 2))
		two.await(t, "node 1 is lost", kindOf(Left, 1))
		to1.closed.Store(false)
		to2.closed.Store(false)
		start := time.Now()
		if nudged {
			one.Nudge(2)
		}
		one.await(t, "node 2 again", kindOf(Joined, 2))
		two.await(t, "node 1 again", kindOf(Joined, 1))
		t.Logf("nudged %v: together again after %s", nudged, time.Since(start))
		one.Close()
		two.Close()
	}
}
