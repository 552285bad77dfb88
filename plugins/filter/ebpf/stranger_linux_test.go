package ebpf

import (
	"context"
	"testing"

	"github.com/orchestrator-ha/orchestrator/sdk"
)

// TestStrangers: who claims a virtual address is shown for some minutes, the
// latest for each address.
func TestStrangers(t *testing.T) {
	for _, p := range programs() {
		fx := newSix(t, false, p.name)
		fx.set(rowOf(1), true)
		if got := fx.strangers(); len(got) != 0 {
			t.Errorf("%s: at the start there are %+v", p.name, got)
		}
		before := bootNow(t)
		for _, mac := range []sdk.MAC{macOf(70), macOf(71)} {
			p.run(fx, fx.frame("arp", all(announcement, func(p *packet) { p.arp.SourceHwAddress = hardware(mac) })))
			p.run(fx, ndFrame(t, advertised(mac)))
		}
		p.run(fx, ndFrame(t, advertised(macOf(2))))
		got := fx.strangers()
		if len(got) != 2 || got[0].Seen < before || got[0].Seen > bootNow(t) {
			t.Fatalf("%s: %+v", p.name, got)
		}
		for n, a := range []string{vip, vip6} {
			got[n].Seen = 0
			if want := (sdk.FilterStranger{Interface: "eth0", Address: addr(a), MAC: macOf(71)}); got[n] != want {
				t.Errorf("%s: %+v, want %+v", p.name, got[n], want)
			}
		}
		key := strangerKey{Address: addressOf(addr(vip)), Ifindex: uint32(fx.ifindex)}
		check0(t, fx.filter.objs.Strangers.Put(key, strangerValue{MAC: macNumber(macOf(70)), Seen: bootNow(t) - min(bootNow(t), uint64(strangerAge)+1)}))
		if got := fx.strangers(); len(got) != 1 || got[0].Address != addr(vip6) {
			t.Errorf("%s: after five minutes there are %+v", p.name, got)
		}
	}
}

func (fx *fixture) strangers() []sdk.FilterStranger {
	fx.t.Helper()
	s, err := fx.filter.State(context.Background())
	check0(fx.t, err)
	return s.Strangers
}
