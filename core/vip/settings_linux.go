package vip

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// state is what is kept of an interface, made when it gets its first address.
func (h *Holder) state(l netlink.Link) (*link, error) {
	if state := h.links[l.Attrs().Index]; state != nil {
		return state, nil
	}
	before, err := settings(l)
	if err != nil {
		return nil, err
	}
	state := newLink(before)
	h.links[l.Attrs().Index] = state
	return state, nil
}

// prepare sets what the interface needs for the addresses that it is to hold.
func (s *link) prepare(l netlink.Link) error {
	now, err := settings(l)
	if err != nil {
		return err
	}
	want := s.wanted()
	want.Promiscuous = want.Promiscuous || now.Promiscuous // somebody else may have set it meanwhile
	return apply(l, now, want)
}

// release forgets an address and puts back what no other needs.
func (h *Holder) release(l netlink.Link, addr netip.Addr) error {
	state := h.links[l.Attrs().Index]
	if state == nil {
		return nil
	}
	held := state.wanted()
	delete(state.held, addr)
	if len(state.held) == 0 {
		delete(h.links, l.Attrs().Index)
	}
	return apply(l, held, state.wanted())
}

// apply changes what differs.
func apply(l netlink.Link, from, to Settings) error {
	var all error
	if from.ARPAnnounce != to.ARPAnnounce {
		all = setARPAnnounce(l, to.ARPAnnounce)
	}
	if from.Promiscuous != to.Promiscuous {
		all = errors.Join(all, setPromiscuous(l, to.Promiscuous))
	}
	return all
}

// settings reads an interface.
func settings(l netlink.Link) (Settings, error) {
	announce, err := os.ReadFile(arpAnnounce(l))
	if err != nil {
		return Settings{}, fmt.Errorf("read arp_announce of %s: %w", l.Attrs().Name, err)
	}
	return Settings{
		ARPAnnounce: strings.TrimSpace(string(announce)),
		Promiscuous: l.Attrs().RawFlags&unix.IFF_PROMISC != 0, // set by somebody, not by who listens for a while
	}, nil
}

func setARPAnnounce(l netlink.Link, value string) error {
	if err := os.WriteFile(arpAnnounce(l), []byte(value), 0o644); err != nil {
		return fmt.Errorf("set arp_announce=%s of %s: %w", value, l.Attrs().Name, err)
	}
	return nil
}

func setPromiscuous(l netlink.Link, on bool) error {
	set := netlink.SetPromiscOff
	if on {
		set = netlink.SetPromiscOn
	}
	if err := set(l); err != nil {
		return fmt.Errorf("set promiscuous mode of %s to %t: %w", l.Attrs().Name, on, err)
	}
	return nil
}

// arpAnnounce is the file of an interface's setting, in the caller's network
// namespace.
func arpAnnounce(l netlink.Link) string {
	return filepath.Join("/proc/sys/net/ipv4/conf", l.Attrs().Name, "arp_announce")
}
