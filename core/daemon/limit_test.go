package daemon

import (
	"net"
	"sync/atomic"
	"testing"
	"testing/synctest"
)

// flood is a listener to which connections come without end.
type flood struct {
	net.Listener
	ended atomic.Bool
}

func (f *flood) Accept() (net.Conn, error) {
	if f.ended.Load() {
		return nil, net.ErrClosed
	}
	c, _ := net.Pipe()
	return c, nil
}

func (f *flood) Close() error { f.ended.Store(true); return nil }

// The API takes so many connections from the network and no more, until one ends.
func TestConnectionsAreLimited(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := limited(&flood{})
		var taken []net.Conn
		go func() {
			for {
				c, err := l.Accept()
				if err != nil {
					return
				}
				taken = append(taken, c)
			}
		}()
		synctest.Wait()
		if len(taken) != maxConnections {
			t.Errorf("%d connections are taken, at most %d are to be", len(taken), maxConnections)
		}
		if err := taken[0].Close(); err != nil {
			t.Error(err)
		}
		synctest.Wait()
		if len(taken) != maxConnections+1 {
			t.Errorf("one has ended, and %d were taken in all", len(taken))
		}
		if err := l.Close(); err != nil {
			t.Error(err)
		}
		synctest.Wait()
	})
}
