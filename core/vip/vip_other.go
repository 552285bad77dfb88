//go:build !linux

package vip

import (
	"errors"
	"fmt"
	"net/netip"
	"runtime"
)

// errUnsupported is what everything answers here.
var errUnsupported = fmt.Errorf("virtual addresses are not available on %s yet: %w", runtime.GOOS, errors.ErrUnsupported)

// Find fails on this system.
func Find(addr netip.Addr, wantName string) (Interface, error) {
	return Interface{}, fmt.Errorf("find the interface of %s: %w", addr, errUnsupported)
}

// Add fails on this system.
func (h *Holder) Add(on Interface, addr netip.Addr) error {
	return fmt.Errorf("add %s to %s: %w", addr, on.Name, errUnsupported)
}

// Remove fails on this system.
func (h *Holder) Remove(on Interface, addr netip.Addr) error {
	return fmt.Errorf("remove %s from %s: %w", addr, on.Name, errUnsupported)
}

// Announce fails on this system.
func Announce(t Target) error { return fmt.Errorf("announce %s: %w", t.Addr, errUnsupported) }
