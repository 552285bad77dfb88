package sdk

import (
	"context"

	pluginpb "github.com/orchestrator-ha/orchestrator/sdk/proto"
)

// RemoteFilter is the host's twin: a Filter in another process. All errors are
// ErrUnavailable if the plugin died.
type RemoteFilter struct {
	rpc   pluginpb.FilterClient
	d     Description
	lease *leaseSender
}

var _ Filter = (*RemoteFilter)(nil)

func newRemoteFilter(rpc pluginpb.FilterClient, d Description) *RemoteFilter {
	return &RemoteFilter{rpc: rpc, d: d, lease: newLeaseSender(rpc, d.Name)}
}

// Close ends the stream of lease renewals.
func (f *RemoteFilter) Close() { f.lease.close() }

// Describe gives the description that the plugin sent when it started.
func (f *RemoteFilter) Describe() Description { return f.d }

// Configure hands over the wish of one module; see Filter.
func (f *RemoteFilter) Configure(ctx context.Context, c FilterConfig) (FilterState, error) {
	r, err := f.rpc.Configure(ctx, toConfigure(f.d.Name, c))
	if err != nil {
		return FilterState{}, fromWire(err)
	}
	return fromFilterState(r), nil
}

// SetTable hands over a table; see Filter.
func (f *RemoteFilter) SetTable(ctx context.Context, t FilterTable) error {
	_, err := f.rpc.SetTable(ctx, toTable(f.d.Name, t))
	return fromWire(err)
}

// Renew never waits: it leaves the deadline to be sent, in place of any that
// was not sent yet. The error is that of an earlier renewal.
func (f *RemoteFilter) Renew(deadline uint64) error { return f.lease.renew(deadline) }

// Sockets counts connections by group and bucket; see Filter.
func (f *RemoteFilter) Sockets(ctx context.Context, module string) (map[string][]uint32, error) {
	r, err := f.rpc.Sockets(ctx, &pluginpb.SocketsRequest{Plugin: f.d.Name, Module: module})
	if err != nil {
		return nil, fromWire(err)
	}
	out := make(map[string][]uint32, len(r.Groups))
	for name, c := range r.Groups {
		out[name] = c.Counts
	}
	return out, nil
}

// State asks the filter what it shows of itself.
func (f *RemoteFilter) State(ctx context.Context) (FilterState, error) {
	r, err := f.rpc.State(ctx, &pluginpb.StateRequest{Plugin: f.d.Name})
	if err != nil {
		return FilterState{}, fromWire(err)
	}
	return fromFilterState(r), nil
}

// Remove makes the filter forget a module; see Filter.
func (f *RemoteFilter) Remove(ctx context.Context, module string) error {
	_, err := f.rpc.Remove(ctx, &pluginpb.RemoveRequest{Plugin: f.d.Name, Module: module})
	return fromWire(err)
}
