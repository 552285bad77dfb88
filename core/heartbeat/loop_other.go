//go:build !linux

package heartbeat

import (
	"errors"
	"fmt"
	"net"
	"sync"
	"time"

	"github.com/orchestrator-ha/orchestrator/core"
)

// loop is the plain loop for systems other than Linux: one goroutine reads each
// network and hands packets over. It cannot ask the peers' kernels, hears no
// refusals and does not see the own links.
type loop struct {
	e       *engine
	now     func() int64
	conns   []*net.UDPConn
	local   []Network
	readers sync.WaitGroup
	packets chan arrival
}

// arrival is a received packet.
type arrival struct {
	conn *net.UDPConn
	at   int64
	b    []byte
}

// clock returns a reader of a monotonic time that begins now.
func clock() func() int64 {
	started := time.Now()
	return func() int64 { return int64(time.Since(started)) + 1 }
}

func (h *Heartbeat) serve(ready chan<- error) {
	defer close(h.done)
	l := &loop{e: h.e, now: h.e.board.now, packets: make(chan arrival, 1024)}
	wake := make(chan struct{}, 1)
	h.wake = func() {
		select {
		case wake <- struct{}{}:
		default:
		}
	}
	if err := h.e.open(l, l.now); err != nil {
		ready <- err
		return
	}
	ready <- nil
	l.run(wake)
}

func (l *loop) run(wake <-chan struct{}) {
	due := l.now()
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		timer.Reset(time.Duration(max(0, due-l.now())))
		select {
		case <-timer.C:
		case <-wake:
		case a := <-l.packets:
			l.receive(a)
		}
		now := l.now()
		for len(l.packets) > 0 {
			l.receive(<-l.packets)
		}
		if l.e.closing.Load() {
			l.e.goodbye(now)
			l.closeAll(l.conns, nil)
			l.readers.Wait()
			return
		}
		due = l.e.step(now)
	}
}

func (l *loop) receive(a arrival) {
	for i, c := range l.conns {
		if c == a.conn {
			l.e.receive(a.at, i, a.b)
		}
	}
}

// read hands over what comes in on a network until it is closed.
func (l *loop) read(c *net.UDPConn) {
	defer l.readers.Done()
	for {
		b := make([]byte, 2048)
		n, err := c.Read(b)
		if err != nil {
			if isClosed(err) {
				return
			}
			continue
		}
		select {
		case l.packets <- arrival{c, l.now(), b[:n]}:
		default: // the loop is far behind; the next beat says the same
		}
	}
}

// send implements wire.
func (l *loop) send(network int, node core.NodeID, b []byte) error {
	_, err := l.conns[network].WriteToUDPAddrPort(b, l.local[network].Peers[node])
	if err != nil {
		return fmt.Errorf("send a heartbeat to node %d: %w", node, err)
	}
	return nil
}

// ping implements wire; this system cannot.
func (l *loop) ping(ping) {}

// linkDown implements wire; this system does not tell.
func (l *loop) linkDown(int) bool { return false }

// use implements wire.
func (l *loop) use(networks []Network) (canPing bool, err error) {
	conns := make([]*net.UDPConn, 0, len(networks))
	kept := map[*net.UDPConn]bool{}
	for _, n := range networks {
		c := l.reuse(n)
		if c != nil {
			kept[c] = true
		} else if c, err = net.ListenUDP("udp", net.UDPAddrFromAddrPort(n.Local)); err != nil {
			l.closeAll(conns, kept)
			return false, fmt.Errorf("open UDP %s of lan %s: %w", n.Local, n.Name, err)
		} else {
			l.readers.Add(1)
			go l.read(c)
		}
		conns = append(conns, c)
	}
	l.closeAll(l.conns, kept)
	l.conns, l.local = conns, networks
	return false, nil
}

func (l *loop) reuse(n Network) *net.UDPConn {
	for i, old := range l.local {
		if old.Local == n.Local {
			return l.conns[i]
		}
	}
	return nil
}

func (l *loop) closeAll(conns []*net.UDPConn, keep map[*net.UDPConn]bool) {
	for _, c := range conns {
		if !keep[c] {
			c.Close()
		}
	}
}

// isClosed tells whether reading has ended for good.
func isClosed(err error) bool { return errors.Is(err, net.ErrClosed) }
