package vip

import (
	"bytes"
	"encoding/binary"
	"net"
	"net/netip"
	"testing"
)

func TestClaim(t *testing.T) {
	four, six := netip.MustParseAddr("10.0.0.100"), netip.MustParseAddr("fd00::100")
	announced := func(a netip.Addr, i int) []byte {
		list, err := frames(a, testMAC, testSource)
		if err != nil {
			t.Fatal(err)
		}
		return list[i]
	}
	bare := bytes.Clone(announced(six, 0)[:14+40+24]) // without options
	binary.BigEndian.PutUint16(bare[14+4:], 24)
	broken := bytes.Clone(announced(six, 0))
	broken[14+64+1] = 0 // an option of no length
	for _, c := range []struct {
		name  string
		frame []byte
		addr  netip.Addr
		want  net.HardwareAddr // nil: no claim
	}{
		{"gratuitous request", announced(four, 0), four, testMAC},
		{"gratuitous reply", announced(four, 1), four, testMAC},
		{"probe, of nobody", probe(four, testSource), netip.IPv4Unspecified(), testSource},
		{"advertisement", announced(six, 0), six, testMAC},
		{"solicitation", probe(six, testSource), six, nil},
		{"advertisement without its option", bare, six, testSource},
		{"advertisement with a broken option", broken, six, testSource},
		{"nothing", nil, four, nil},
		{"ARP cut short", announced(four, 0)[:30], four, nil},
		{"advertisement cut short", announced(six, 0)[:60], six, nil},
	} {
		addr, mac, ok := claim(c.frame)
		if ok != (c.want != nil) || !bytes.Equal(mac, c.want) || ok && addr != c.addr {
			t.Errorf("%s: %s at %s, %t", c.name, addr, mac, ok)
		}
	}
}
