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
		want  net.HardwareAddr
	}{
		{"gratuitous request", announced(four, 0), four, testMAC},
		{"gratuitous reply", announced(four, 1), four, testMAC},
		{"of another address", announced(four, 1), netip.MustParseAddr("10.0.0.101"), nil},
		{"probe", probe(four, testSource), four, nil},
		{"advertisement", announced(six, 0), six, testMAC},
		{"of another IPv6 address", announced(six, 0), netip.MustParseAddr("fd00::101"), nil},
		{"solicitation", probe(six, testSource), six, nil},
		{"advertisement without its option", bare, six, testSource},
		{"advertisement with a broken option", broken, six, testSource},
		{"nothing", nil, four, nil},
		{"ARP cut short", announced(four, 0)[:30], four, nil},
		{"advertisement cut short", announced(six, 0)[:60], six, nil},
	} {
		mac, ok := claim(c.frame, c.addr)
		if ok != (c.want != nil) || !bytes.Equal(mac, c.want) {
			t.Errorf("%s: %s, %t", c.name, mac, ok)
		}
	}
}
