package hook

import (
	"context"
	"encoding/json"

	"github.com/orchestrator-ha/orchestrator/core"
)

// Applications starts and stops applications through their plugins. instance is
// unique on the node: module/name. settings is a JSON object or nil.
type Applications interface {
	// Start returns when the application runs, nil if it already did.
	Start(ctx context.Context, plugin, instance string, settings json.RawMessage) error
	// Stop returns when nothing of it runs any more, nil if nothing did.
	Stop(ctx context.Context, plugin, instance string, settings json.RawMessage, force bool) error
	// Status fails when nobody can tell whether the application runs.
	Status(ctx context.Context, plugin, instance string, settings json.RawMessage) (up bool, reason string, err error)
	// Available says whether the plugin can work on this node, else why not.
	Available(plugin string) (ok bool, reason string)
}

// Resources reads and publishes the resources of a module.
type Resources interface {
	Get(module, name string) (core.Resource, bool)
	Set(module, name string, value core.Value, reason string) error
}

// Modules takes orders for a module. The order is carried out after the hook.
type Modules interface {
	Command(module string, verb core.Verb, reason string) error
}
