package main

import (
	"context"

	"github.com/orchestrator-ha/orchestrator/plugins/filter/ebpf"
	"github.com/orchestrator-ha/orchestrator/sdk"
)

// noFilter stands for the packet filter where it cannot work, and says why.
type noFilter struct{ why error }

func (f noFilter) Describe() sdk.Description {
	d := (&ebpf.Filter{}).Describe()
	d.Unavailable = f.why.Error()
	return d
}

func (f noFilter) Configure(context.Context, sdk.FilterConfig) (sdk.FilterState, error) {
	return sdk.FilterState{}, f.why
}

func (f noFilter) SetTable(context.Context, sdk.FilterTable) error { return f.why }

func (f noFilter) Renew(uint64) error { return f.why }

func (f noFilter) Sockets(context.Context, string) (map[string][]uint32, error) { return nil, f.why }

func (f noFilter) State(context.Context) (sdk.FilterState, error) { return sdk.FilterState{}, f.why }

func (f noFilter) Remove(context.Context, string) error { return nil }
