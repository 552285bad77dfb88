package vip

import (
	"net"
	"net/netip"
	"sync"
)

// Holder adds virtual addresses to interfaces and removes them. Its methods may
// be called from any goroutine.
type Holder struct {
	mu      sync.Mutex
	links   map[int]*link       // by index
	sources map[string][]Source // by owner
}

// NewHolder makes a holder that holds nothing yet.
func NewHolder() *Holder { return &Holder{links: map[int]*link{}} }

// Settings are what a holder changes of an interface besides its addresses.
type Settings struct {
	ARPAnnounce string `json:"arp_announce"`
	Promiscuous bool   `json:"promiscuous"`
}

// Look is what a holder finds on an interface.
type Look struct {
	Gone    bool             // no interface has the index any more; the rest is empty then
	Name    string           // now: it may have been renamed
	MAC     net.HardwareAddr // now
	Down    bool             // switched off by somebody
	Dark    bool             // switched on, but without a carrier
	Missing []netip.Addr     // addresses that it does not have any more
	Own     []netip.Prefix   // addresses that are not virtual
	Unset   []string         // settings that somebody changed, in words
}

// link is an interface that holds virtual addresses.
type link struct {
	before Settings
	held   map[netip.Addr]bool // address → reached by a virtual MAC
}

func newLink(before Settings) *link { return &link{before: before, held: map[netip.Addr]bool{}} }

// wanted are the settings that the addresses need.
func (s *link) wanted() Settings {
	want := s.before
	for a, invisible := range s.held {
		if a.Is4() {
			want.ARPAnnounce = "2"
		}
		want.Promiscuous = want.Promiscuous || invisible
	}
	return want
}

// unset says what of the wanted settings is not there.
func (s *link) unset(now Settings) []string {
	var list []string
	want := s.wanted()
	if want.ARPAnnounce != now.ARPAnnounce {
		list = append(list, "arp_announce="+want.ARPAnnounce)
	}
	if want.Promiscuous && !now.Promiscuous {
		list = append(list, "promiscuous mode")
	}
	return list
}
