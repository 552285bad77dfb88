//go:build !linux

package ebpf

import (
	"context"
	"errors"
	"io"
	"log/slog"

	"github.com/orchestrator-ha/orchestrator/sdk"
)

var _ sdk.Filter = (*Filter)(nil)

// ErrPlatform says that this system's kernel has no packet filter of ours.
var ErrPlatform = errors.New("the packet filter needs Linux; a farm cannot run on this system yet")

// Filter is the packet filter, which exists on Linux only.
type Filter struct{}

// New fails: this is not Linux.
func New(pinDir string, log *slog.Logger) (*Filter, error) { return nil, ErrPlatform }

// Prefer fails: this is not Linux.
func (*Filter) Prefer(string) error { return ErrPlatform }

// Warm has nothing to load: this is not Linux.
func (*Filter) Warm() {}

// AttachPass fails: this is not Linux.
func AttachPass(ifindex int) (io.Closer, error) { return nil, ErrPlatform }

// Read finds nothing: this is not Linux.
func Read(pinDir string) (*Snapshot, error) { return nil, ErrPlatform }

// Clean has nothing to do: this is not Linux.
func Clean(pinDir string) ([]string, error) { return []string{}, nil }

// Describe presents the filter and where it works.
func (*Filter) Describe() sdk.Description { return describe() }

// Configure fails: this is not Linux.
func (*Filter) Configure(context.Context, sdk.FilterConfig) (sdk.FilterState, error) {
	return sdk.FilterState{}, ErrPlatform
}

// SetTable fails: this is not Linux.
func (*Filter) SetTable(context.Context, sdk.FilterTable) error { return ErrPlatform }

// Renew fails: this is not Linux.
func (*Filter) Renew(uint64) error { return ErrPlatform }

// Sockets fails: this is not Linux.
func (*Filter) Sockets(context.Context, string) (map[string][]uint32, error) {
	return nil, ErrPlatform
}

// State fails: this is not Linux.
func (*Filter) State(context.Context) (sdk.FilterState, error) {
	return sdk.FilterState{}, ErrPlatform
}

// Remove fails: this is not Linux.
func (*Filter) Remove(context.Context, string) error { return ErrPlatform }

// Close does nothing.
func (*Filter) Close() error { return nil }
