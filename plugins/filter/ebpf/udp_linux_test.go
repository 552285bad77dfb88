package ebpf

import (
	"context"
	"fmt"
	"net"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"

	"github.com/orchestrator-ha/orchestrator/core/share"
	"github.com/orchestrator-ha/orchestrator/sdk"
)

// answer serves UDP on a node: it says the node's number, and to who asks to be
// kept, by a socket that is connected to him.
func (f *farm) answer(n int) {
	f.nodes[n].do(f.t, func() {
		reuse := func(_, _ string, c syscall.RawConn) (err error) {
			e := c.Control(func(fd uintptr) { err = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_REUSEADDR, 1) })
			if e != nil {
				return e
			}
			return err
		}
		listen := net.ListenConfig{Control: reuse}
		l, err := listen.ListenPacket(context.Background(), "udp4", vip+":5353")
		check0(f.t, err)
		f.t.Cleanup(func() { l.Close() })
		space := f.nodes[n]
		go func() {
			// New sockets are of the namespace of their thread; it is not used again.
			runtime.LockOSThread()
			if err := netns.Set(space.handle); err != nil {
				panic(err)
			}
			for b := make([]byte, 100); ; {
				size, from, err := l.ReadFrom(b)
				if err != nil {
					return
				}
				if string(b[:size]) != "keep" {
					fmt.Fprint(packetTo{l, from}, n)
					continue
				}
				d := net.Dialer{Control: reuse, LocalAddr: &net.UDPAddr{IP: ip4(vip), Port: 5353}}
				c, err := d.Dial("udp4", from.String())
				if err != nil {
					panic(err)
				}
				fmt.Fprint(c, n)
				go echoNumber(c, n)
			}
		}()
	})
}

type packetTo struct {
	net.PacketConn
	to net.Addr
}

func (p packetTo) Write(b []byte) (int, error) { return p.WriteTo(b, p.to) }

func echoNumber(c net.Conn, n int) {
	defer c.Close()
	for b := make([]byte, 100); ; {
		if _, err := c.Read(b); err != nil {
			return
		}
		fmt.Fprint(c, n)
	}
}

// withUDP adds a rule for port 5353.
func withUDP(c sdk.FilterConfig) sdk.FilterConfig {
	c.Groups[0].Rules = append(c.Groups[0].Rules, sdk.FilterRule{Port: 5353, Protocol: "udp", Hash: sdk.HashPort})
	return c
}

// TestDatagrams: flows of connected UDP sockets survive a move of their bucket,
// whatever node they enter by, and all others move at once.
func TestDatagrams(t *testing.T) {
	for _, how := range []string{howNative, howTCX} {
		t.Run(how, func(t *testing.T) {
			f := newFarm(t, how, withUDP(webConfig()))
			for n := 1; n <= farmNodes; n++ {
				f.answer(n)
			}
			table := func(row uint32) {
				for n := 1; n <= farmNodes; n++ {
					f.table(n, rowsOf(row))
				}
			}
			table(rowOf(1))
			f.enterBy(1)
			kept, plain := f.dialUDP(), f.dialUDP()
			for _, step := range []struct {
				name  string
				row   uint32
				owner string
			}{
				{"settled", rowOf(1), "1"}, {"moved to 2", rowOf(2, 1), "2"}, {"moved on to 3", rowOf(3, 2, 1), "3"}, {"nearly gone back", rowOf(2, 3, 1), "2"},
			} {
				table(step.row)
				for n := 1; n <= farmNodes; n++ {
					f.enterBy(n)
					ask := "who"
					if step.name == "settled" && n == 1 {
						ask = "keep"
					}
					if got := askUDP(t, kept, ask); got != "1" {
						t.Errorf("%s, entering by node %d: node %s answers the flow of a socket of node 1", step.name, n, got)
					}
					if got := askUDP(t, plain, "who"); got != step.owner {
						t.Errorf("%s, entering by node %d: node %s answers, want %s", step.name, n, got, step.owner)
					}
				}
			}
			f.countUDP(kept)
		})
	}
}

func (f *farm) dialUDP() net.Conn {
	f.t.Helper()
	var c net.Conn
	f.client.do(f.t, func() {
		var err error
		c, err = net.Dial("udp4", vip+":5353")
		check0(f.t, err)
		f.t.Cleanup(func() { c.Close() })
	})
	return c
}

func askUDP(t *testing.T, c net.Conn, what string) string {
	t.Helper()
	check0(t, c.SetDeadline(time.Now().Add(60*time.Second)))
	_, err := fmt.Fprint(c, what)
	check0(t, err)
	b := make([]byte, 100)
	n, err := c.Read(b)
	check0(t, err)
	return strings.TrimSpace(string(b[:n]))
}

// countUDP looks that node 1 counts the connected socket, and nobody else.
func (f *farm) countUDP(c net.Conn) {
	f.t.Helper()
	at := c.LocalAddr().(*net.UDPAddr).AddrPort()
	bucket := share.Bucket(testKey, at.Addr(), at.Port())
	for n := 1; n <= farmNodes; n++ {
		f.nodes[n].do(f.t, func() {
			got, err := f.filter[n].Sockets(context.Background(), "web")
			check0(f.t, err)
			want := uint32(0)
			if n == 1 {
				want = 1
			}
			if got["http"][bucket] != want {
				f.t.Errorf("node %d counts %d sockets in bucket %d, want %d", n, got["http"][bucket], bucket, want)
			}
		})
	}
}
