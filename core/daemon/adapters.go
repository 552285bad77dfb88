package daemon

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/orchestrator-ha/orchestrator/core"
	"github.com/orchestrator-ha/orchestrator/core/journal"
	"github.com/orchestrator-ha/orchestrator/core/pluginhost"
	"github.com/orchestrator-ha/orchestrator/core/runner"
	"github.com/orchestrator-ha/orchestrator/sdk"
)

// applications lets hooks reach application plugins.
type applications struct {
	host    *pluginhost.Host
	started func(plugin, instance string)
	bound   func(instance string) bool // it is not to go on without this daemon
}

// availableTime limits the question whether a plugin works here, which may have
// to start it.
const availableTime = 10 * time.Second

func (a applications) Start(ctx context.Context, plugin, instance string, settings json.RawMessage) error {
	a.started(plugin, instance)
	return a.host.Application(plugin).Start(ctx, sdk.AppRequest{Instance: instance, Settings: settings, Bound: a.bound(instance)})
}

// inMirror says of an application's instance that it is a mirror's: the other node takes over when
// this daemon is gone, and the two must not run side by side for longer than it takes to see that.
func (d *Daemon) inMirror(instance string) bool {
	name, _, _ := strings.Cut(instance, "/")
	mod, err := d.module(name)
	return err == nil && mod.config().Mode == core.Mirror
}

func (a applications) Stop(ctx context.Context, plugin, instance string, settings json.RawMessage, force bool) error {
	if d, err := a.host.Describe(ctx, sdk.KindApplication, plugin); err == nil && d.Unavailable != "" {
		return nil // what cannot work on this node does not run here
	}
	return a.host.Application(plugin).Stop(ctx, sdk.AppRequest{Instance: instance, Settings: settings, Force: force})
}

func (a applications) Status(ctx context.Context, plugin, instance string, settings json.RawMessage) (bool, string, error) {
	r := a.host.Application(plugin).Status(ctx, sdk.AppRequest{Instance: instance, Settings: settings})
	if r.Status == sdk.StatusUnknown {
		return false, r.Reason, fmt.Errorf("ask %s for %s: %s", plugin, instance, r.Reason)
	}
	return r.Status == sdk.StatusUp, r.Reason, nil
}

func (a applications) Available(plugin string) (bool, string) {
	ctx, cancel := context.WithTimeout(context.Background(), availableTime)
	defer cancel()
	return a.host.Application(plugin).Available(ctx)
}

// resources lets hooks read and publish resources.
type resources struct{ d *Daemon }

func (r resources) Get(name, resource string) (core.Resource, bool) {
	m, err := r.d.module(name)
	if err != nil {
		return core.Resource{}, false
	}
	res, ok := m.runner.Snapshot().Resources[resource]
	return res, ok
}

func (r resources) Set(name, resource string, value core.Value, reason string) error {
	if resource == core.SyncAt {
		return r.d.synchronise(name, value)
	}
	if !strings.HasPrefix(resource, "custom.") {
		return fmt.Errorf("resource %q cannot be set: only those of class custom can, e.g. custom.%s", resource, resource)
	}
	m, err := r.d.module(name)
	if err != nil {
		return err
	}
	if !r.d.checks.Say(name, resource, value, reason) { // else the check's program spoke
		m.runner.Post(core.Event{Kind: core.EventResource, Resource: core.Resource{Name: resource, Value: value, Reason: reason}})
	}
	return nil
}

// commands lets hooks give orders to their module.
type commands struct{ d *Daemon }

func (c commands) Command(name string, verb core.Verb, reason string) error {
	m, err := c.d.module(name)
	if err != nil {
		return err
	}
	m.runner.Post(core.Event{Kind: core.EventCommand, Verb: verb, Identity: "hook", Reason: reason})
	return nil
}

// records lets runners write the journal.
type records struct{ j *journal.Journal }

func (r records) Append(rec runner.Record) (int64, error) {
	return r.j.Append(journal.Entry{
		Time: rec.Time, Module: rec.Module, Kind: rec.Kind, Level: rec.Level, Text: rec.Text, Data: rec.Data, Cause: rec.Cause,
	})
}
