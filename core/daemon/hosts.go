package daemon

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"time"
)

// hosts are names of a configuration that stand for virtual addresses, with what was
// found when it was applied. They belong to the configuration, so that all nodes mean
// the same address, and a start needs no DNS.
type hosts map[string]netip.Addr

// resolveTime is how long one name may take.
const resolveTime = 5 * time.Second

// known answers what was found.
func (h hosts) known(name string) (netip.Addr, error) {
	if a, ok := h[name]; ok {
		return a, nil
	}
	return netip.Addr{}, fmt.Errorf("%s was not looked up when the configuration was applied", name)
}

// find looks names up and notes what it finds.
func (h hosts) find(ctx context.Context) func(string) (netip.Addr, error) {
	return func(name string) (netip.Addr, error) {
		if a, ok := h[name]; ok {
			return a, nil
		}
		ctx, cancel := context.WithTimeout(ctx, resolveTime)
		defer cancel()
		list, err := net.DefaultResolver.LookupNetIP(ctx, "ip", name)
		if dns := (*net.DNSError)(nil); errors.As(err, &dns) {
			err = errors.New(dns.Err)
		}
		if err != nil {
			return netip.Addr{}, fmt.Errorf("%s cannot be looked up: %w", name, err)
		}
		a, err := theOne(name, list)
		if err == nil {
			h[name] = a
		}
		return a, err
	}
}

// theOne chooses the address of a name: that of IPv4, else that of IPv6. Several leave
// open which is meant.
func theOne(name string, list []netip.Addr) (netip.Addr, error) {
	var four, six []netip.Addr
	for _, a := range list {
		if a = a.Unmap(); a.Is4() {
			four = append(four, a)
		} else {
			six = append(six, a)
		}
	}
	if len(four) > 0 {
		six = nil
	}
	all := slices.Compact(append(four, six...))
	if len(all) != 1 {
		return netip.Addr{}, fmt.Errorf("%s has %d addresses: %v", name, len(all), all)
	}
	return all[0], nil
}
