package lab

import (
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"syscall"
	"time"

	"github.com/vishvananda/netns"
)

// proxy makes a node's console reachable on the host's localhost by copying
// bytes: the host gets no route into the lab.
type proxy struct {
	listener net.Listener
	ns       netns.NsHandle
	target   string

	mu    sync.Mutex
	open  map[net.Conn]struct{} // nil when closed
	tasks sync.WaitGroup
}

// startProxy listens on 127.0.0.1. Port 0 is DefaultPort, or a free one when
// that is busy.
func startProxy(port int, ns netns.NsHandle, target string) (*proxy, error) {
	wanted := port
	if port == 0 {
		wanted = DefaultPort
	}
	listener, err := net.Listen("tcp4", join("127.0.0.1", wanted))
	if port == 0 && errors.Is(err, syscall.EADDRINUSE) {
		listener, err = net.Listen("tcp4", "127.0.0.1:0")
	}
	if err != nil {
		return nil, fmt.Errorf("listen for node 1's console on the host (choose another port): %w", err)
	}
	p := &proxy{listener: listener, ns: ns, target: target, open: map[net.Conn]struct{}{}}
	p.tasks.Go(p.accept)
	return p, nil
}

func (p *proxy) address() string { return p.listener.Addr().String() }

func (p *proxy) accept() {
	for {
		conn, err := p.listener.Accept()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil { // e.g. too many open files
			time.Sleep(100 * time.Millisecond)
			continue
		}
		if p.keep(conn) {
			p.tasks.Go(func() { p.serve(conn) })
		}
	}
}

func (p *proxy) serve(conn net.Conn) {
	defer p.drop(conn)
	var peer net.Conn
	err := inside(p.ns, func() (err error) {
		peer, err = net.DialTimeout("tcp4", p.target, 2*time.Second)
		return err
	})
	if err != nil || !p.keep(peer) {
		return // the browser sees a closed connection, as with a dead server
	}
	defer p.drop(peer)
	var both sync.WaitGroup
	copyTo := func(to, from net.Conn) {
		_, _ = io.Copy(to, from) // the other direction learns of an error by the half-close
		_ = to.(*net.TCPConn).CloseWrite()
	}
	both.Go(func() { copyTo(peer, conn) })
	both.Go(func() { copyTo(conn, peer) })
	both.Wait()
}

func (p *proxy) keep(conn net.Conn) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.open == nil {
		_ = conn.Close()
		return false
	}
	p.open[conn] = struct{}{}
	return true
}

func (p *proxy) drop(conn net.Conn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.open, conn)
	_ = conn.Close()
}

func (p *proxy) close() error {
	err := p.listener.Close()
	p.mu.Lock()
	for conn := range p.open {
		_ = conn.Close()
	}
	p.open = nil
	p.mu.Unlock()
	p.tasks.Wait()
	return err
}
