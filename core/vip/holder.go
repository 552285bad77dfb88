package vip

import (
	"net/netip"
	"sync"
)

// Holder adds virtual addresses to interfaces and removes them. Its methods may
// be called from any goroutine.
type Holder struct {
	mu    sync.Mutex
	links map[int]*link // by index
}

// link is an interface that holds virtual addresses.
type link struct {
	held     map[netip.Addr]bool
	announce string // arp_announce before the first IPv4 address; empty: not changed
}

// NewHolder makes a holder that holds nothing yet.
func NewHolder() *Holder { return &Holder{links: map[int]*link{}} }

// holds4 tells whether a virtual IPv4 address is held.
func (l *link) holds4() bool {
	for a := range l.held {
		if a.Is4() {
			return true
		}
	}
	return false
}
