package ebpf

import (
	"context"
	"testing"

	"github.com/gopacket/gopacket/layers"
)

// TestKeptWithoutLease: a filter that serves on without its lease takes what it
// owns, but resets nothing, as its table may be old.
func TestKeptWithoutLease(t *testing.T) {
	fx := newFixture(t)
	fx.config.Fence = false
	_, err := fx.filter.Configure(context.Background(), fx.config)
	check0(t, err)
	fx.set(rowOf(self), true)
	port := fx.connect()
	for _, holds := range []bool{true, false} {
		lease, stranger, known := bootNow(t)+hour, "accept-owner", "accept-owner"
		if !holds {
			lease, stranger, known = bootNow(t)-1, "drop-disagreed", "accept-socket"
		}
		check0(t, fx.filter.Renew(lease))
		for _, c := range []struct {
			name   string
			change func(*packet)
			reason string
		}{
			{"a SYN", syn, "accept-new"},
			{"an ACK of no connection", nil, stranger},
			{"one of a connection", func(p *packet) { p.tcp.SrcPort, p.tcp.DstPort = layers.TCPPort(port), openPort }, known},
		} {
			got := fx.counted(func() { fx.run(fx.frame("tcp", c.change)) })
			if got["web/"+c.reason] != 1 || len(got) != 1 {
				t.Errorf("lease holds %v: %s is counted as %v, want %s", holds, c.name, got, c.reason)
			}
		}
	}
}
