package link

import (
	"crypto/tls"
	"errors"
	"log/slog"
	"net"
	"sync/atomic"
	"testing"
	"time"

	"github.com/orchestrator-ha/orchestrator/core"
)

// nobody is an identity that no peer proves to be of.
type nobody struct{}

func (nobody) ServerTLS() *tls.Config       { return &tls.Config{} }
func (nobody) ClientTLS(string) *tls.Config { return &tls.Config{} }
func (nobody) PeerNode(tls.ConnectionState) (core.NodeID, error) {
	return 0, errors.New("nobody's")
}

// Somebody who opens connections and says nothing does not fill the memory: some are closed.
func TestManyGreetings(t *testing.T) {
	const more = 8
	p, err := Listen("127.0.0.1:0", func() Identity { return nobody{} }, slog.New(slog.DiscardHandler))
	must(t, err)
	defer p.Close()
	var closed atomic.Int32
	for range maxGreeting + more {
		conn, err := net.Dial("tcp", p.Address().String())
		must(t, err)
		defer conn.Close()
		go func() {
			_, _ = conn.Read(make([]byte, 1)) // until it is closed
			closed.Add(1)
		}()
	}
	greeted := func() int {
		p.mu.Lock()
		defer p.mu.Unlock()
		return len(p.greeting)
	}
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for begin := time.Now(); greeted()+int(closed.Load()) < maxGreeting+more; <-tick.C {
		if time.Since(begin) > 30*time.Second {
			t.Fatalf("%d connections are greeted, %d were closed", greeted(), closed.Load())
		}
	}
	if n := greeted(); n > maxGreeting {
		t.Errorf("%d connections are greeted", n)
	}
}
