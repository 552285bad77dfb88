package sdk

import (
	"encoding/json"
	"runtime"
	"slices"
	"strings"
)

// Kind is what a plugin does.
type Kind string

// The kinds of plugins.
const (
	KindChecker     Kind = "checker"
	KindFilter      Kind = "filter"
	KindApplication Kind = "application"
)

// Description is how a plugin presents itself.
type Description struct {
	Name      string          // unique within its kind: tcp, ebpf, systemd
	Kind      Kind            //
	Version   string          // semantic version of the plugin
	Summary   string          // one line
	Schema    json.RawMessage // JSON Schema of Settings; the host validates before it starts anything
	Platforms []string        // GOOS values on which the plugin works; empty means all

	// Unavailable says in one sentence why the plugin cannot work on this
	// node; empty when it can. The SDK fills it in from Platforms if the
	// plugin leaves it empty.
	Unavailable string
}

// Plugin is what all kinds have in common. A plugin implements Checker, Filter
// or Application, or several of them.
type Plugin interface {
	Describe() Description
}

// available fills in Unavailable from Platforms.
func available(d Description, goos string) Description {
	if d.Unavailable == "" && len(d.Platforms) > 0 && !slices.Contains(d.Platforms, goos) {
		d.Unavailable = string(d.Kind) + " " + d.Name + " runs on " +
			strings.Join(d.Platforms, ", ") + " only; this node runs " + goos
	}
	return d
}

// describe asks p for its description and completes it.
func describe(p Plugin) Description { return available(p.Describe(), runtime.GOOS) }
