package vip

import (
	"fmt"
	"net/netip"
	"slices"
	"testing"
)

func TestOverlays(t *testing.T) {
	p, a := netip.MustParsePrefix, netip.MustParseAddr
	vip, six := a("10.0.0.100"), a("fd00::100")
	gw, other := a("10.0.0.1"), a("10.1.0.1")
	link := route{dst: p("10.0.0.0/24"), index: 2, plain: true}
	for _, c := range []struct {
		name string
		main []route
		from []Source
		keep []netip.Addr
		want []string
	}{
		{"nothing", []route{link}, nil, nil, nil},
		{"another interface", []route{link}, []Source{{3, vip}}, nil, nil},
		{"another family", []route{link}, []Source{{2, six}}, nil, nil},
		{"link and default", []route{link, {dst: p("0.0.0.0/0"), index: 2, gateway: gw, plain: true}}, []Source{{2, vip}}, nil,
			[]string{"10.0.0.0/24 from 10.0.0.100", "0.0.0.0/0 from 10.0.0.100"}},
		{"what leaves by another interface", []route{link, {dst: p("0.0.0.0/0"), index: 2, gateway: gw, plain: true}, {dst: p("10.1.0.0/24"), index: 3, plain: true}}, []Source{{2, vip}}, nil,
			[]string{"10.0.0.0/24 from 10.0.0.100", "0.0.0.0/0 from 10.0.0.100", "10.1.0.0/24 as before"}},
		{"the better default is another's", []route{link, {dst: p("0.0.0.0/0"), index: 2, gateway: gw, metric: 200, plain: true}, {dst: p("0.0.0.0/0"), index: 3, gateway: other, metric: 100, plain: true}}, []Source{{2, vip}}, nil,
			[]string{"10.0.0.0/24 from 10.0.0.100", "0.0.0.0/0 as before"}},
		{"a blackhole", []route{link, {dst: p("10.0.0.128/25")}}, []Source{{2, vip}}, nil,
			[]string{"10.0.0.0/24 from 10.0.0.100", "10.0.0.128/25 as before"}},
		{"other nodes", []route{link, {dst: p("10.0.0.7/32"), index: 2, plain: true}}, []Source{{2, vip}}, []netip.Addr{a("10.0.0.7"), a("10.0.0.8")},
			[]string{"10.0.0.0/24 from 10.0.0.100", "10.0.0.7/32 as before", "10.0.0.8/32 as before"}},
		{"what is link-local", []route{{dst: p("fe80::/64"), index: 2, plain: true}, {dst: p("fd00::/64"), index: 2, plain: true}}, []Source{{2, vip}, {2, six}}, nil,
			[]string{"fe80::/64 as before", "fd00::/64 from fd00::100"}},
		{"two addresses on one interface", []route{link}, []Source{{2, vip}, {2, a("10.0.0.101")}}, nil, []string{"10.0.0.0/24 from 10.0.0.100"}},
	} {
		var got []string
		for _, o := range overlays(c.main, c.from, c.keep) {
			how := "as before"
			if o.source.IsValid() {
				how = "from " + o.source.String()
			}
			got = append(got, fmt.Sprintf("%s %s", o.dst, how))
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
}
