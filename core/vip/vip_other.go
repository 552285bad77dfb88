//go:build !linux

package vip

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
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
func (h *Holder) Add(on Interface, addr netip.Addr, invisible bool) error {
	return fmt.Errorf("add %s to %s: %w", addr, on.Name, errUnsupported)
}

// Remove fails on this system.
func (h *Holder) Remove(on Interface, addr netip.Addr) error {
	return fmt.Errorf("remove %s from %s: %w", addr, on.Name, errUnsupported)
}

// RemoveEverywhere fails on this system.
func (h *Holder) RemoveEverywhere(addr netip.Addr) error {
	return fmt.Errorf("remove %s: %w", addr, errUnsupported)
}

// Before fails on this system.
func (h *Holder) Before(on Interface) (Settings, error) {
	return Settings{}, fmt.Errorf("read the settings of interface %s: %w", on.Name, errUnsupported)
}

// Restore fails on this system.
func (h *Holder) Restore(name string, s Settings) error {
	return fmt.Errorf("restore the settings of interface %s: %w", name, errUnsupported)
}

// SetSources fails on this system.
func (h *Holder) SetSources(owner string, sources []Source, keep []netip.Addr) error {
	if len(sources) == 0 {
		return nil
	}
	return fmt.Errorf("let connections of this node come from %s: %w", sources[0].Addr, errUnsupported)
}

// ForgetSources has nothing to forget on this system.
func ForgetSources() error { return nil }

// Look fails on this system.
func (h *Holder) Look(on Interface, addrs []netip.Addr) (Look, error) {
	return Look{}, fmt.Errorf("look at interface %s: %w", on.Name, errUnsupported)
}

// Announce fails on this system.
func Announce(t Target) error { return fmt.Errorf("announce %s: %w", t.Addr, errUnsupported) }

// Probe fails on this system.
func Probe(ctx context.Context, on Interface, addrs []netip.Addr, times int) ([]Claim, error) {
	return nil, fmt.Errorf("ask on %s who has %v: %w", on.Name, addrs, errUnsupported)
}

// Neighbours fails on this system.
func Neighbours(index int, addrs []netip.Addr) ([]net.HardwareAddr, error) {
	return nil, fmt.Errorf("list neighbours: %w", errUnsupported)
}

// AskAgain fails on this system.
func AskAgain(index int) error { return fmt.Errorf("ask for neighbours: %w", errUnsupported) }

// Watch sees nothing on this system.
func Watch(ctx context.Context, log *slog.Logger, changed func()) { <-ctx.Done() }
