package daemon

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/orchestrator-ha/orchestrator/core"
	"github.com/orchestrator-ha/orchestrator/core/control"
	"github.com/orchestrator-ha/orchestrator/core/journal"
)

// known refuses the name of a module that is neither installed nor was.
func (d *Daemon) known(ctx context.Context, module string) error {
	_, err := d.module(module)
	if err == nil {
		return nil
	}
	before, wrong := d.journal.Query(ctx, journal.Filter{Module: module, Limit: 1})
	if wrong != nil || len(before) > 0 {
		return wrong
	}
	return err
}

// Log emits journal entries, and new ones as they come if asked to.
func (d *Daemon) Log(ctx context.Context, q control.LogQuery, emit func(control.LogEntry) error) error {
	f := journal.Filter{Module: q.Module, Since: q.Since, Kinds: q.Types, Level: q.Level, Grep: q.Grep, After: q.After, Limit: q.Limit}
	if q.Grep != "" { // what hooks printed is not in the journal itself, so it is looked through here
		f.Also, f.Limit = []string{"output"}, 0
	}
	show := func(e journal.Entry) error {
		if one := d.entry(e); contains(one, q.Grep) {
			return emit(one)
		}
		return nil
	}
	if q.Follow && q.After > 0 {
		return d.journal.Follow(ctx, f, show)
	}
	last := d.journal.Last() // before the look: what comes meanwhile is not missed
	entries, err := d.journal.Query(ctx, f)
	if err != nil {
		return err
	}
	if len(entries) > 0 {
		last = max(last, entries[len(entries)-1].ID)
	}
	if q.Grep != "" {
		entries = slices.DeleteFunc(entries, func(e journal.Entry) bool { return !contains(d.entry(e), q.Grep) })
		if over := len(entries) - q.Limit; q.Limit > 0 && over > 0 {
			from := over // the newest
			if q.After > 0 {
				from = 0
			}
			entries = entries[from : from+q.Limit]
		}
	}
	if len(entries) == 0 && q.Module != "" && !q.Follow {
		if err := d.known(ctx, q.Module); err != nil {
			return err
		}
	}
	for _, e := range entries {
		if err := show(e); err != nil {
			return err
		}
	}
	if !q.Follow {
		return nil
	}
	f.After, f.Limit = last, 0
	return d.journal.Follow(ctx, f, show)
}

// contains says that a text stands in an entry or in what a hook printed, in any case.
func contains(e control.LogEntry, text string) bool {
	text = strings.ToLower(text)
	return strings.Contains(strings.ToLower(e.Text), text) || strings.Contains(strings.ToLower(e.Output), text)
}

// maxOutput is how much of a hook's output the log shows.
const maxOutput = 64 << 10

// entry is a journal entry as the API shows it, with the output of a hook.
func (d *Daemon) entry(e journal.Entry) control.LogEntry {
	out := control.LogEntry{ID: e.ID, Time: e.Time, Module: e.Module, Kind: e.Kind, Level: e.Level, Text: e.Text, Cause: e.Cause}
	if name, ok := e.Data["file"].(string); ok && e.Kind == "output" {
		raw, err := os.ReadFile(d.path("output", e.Module, filepath.Base(name)))
		switch {
		case errors.Is(err, os.ErrNotExist):
			out.Output = "(the output is no longer kept)"
		case err != nil:
			out.Output = "(" + err.Error() + ")"
		case len(raw) > maxOutput:
			out.Output = "…" + string(raw[len(raw)-maxOutput:])
		default:
			out.Output = string(raw)
		}
	}
	return out
}

// historyLimit is how many changes of a resource are told if nothing is said.
const historyLimit = 100

// ResourceHistory answers the last changes of a module's resources on this node.
func (d *Daemon) ResourceHistory(ctx context.Context, q control.HistoryQuery) ([]control.ResourceChange, error) {
	if _, err := d.module(q.Module); err != nil {
		return nil, err
	}
	entries, err := d.journal.Changes(ctx, q.Module, q.Resource, cmp.Or(q.Limit, historyLimit))
	if err != nil {
		return nil, err
	}
	list := []control.ResourceChange{}
	for _, e := range entries {
		c := control.ResourceChange{Entry: e.ID, Time: e.Time}
		name, _ := e.Data["resource"].(string)
		value, _ := e.Data["value"].(string)
		c.Reason, _ = e.Data["reason"].(string)
		c.Resource, c.Value = name, core.Value(value)
		list = append(list, c)
	}
	return list, nil
}

// Why tells what led to a module's last change on this node.
func (d *Daemon) Why(ctx context.Context, name string) (control.Why, error) {
	if _, err := d.module(name); err != nil {
		return control.Why{}, err
	}
	chain, err := d.journal.Why(ctx, name)
	if errors.Is(err, journal.ErrNoEntry) {
		return control.Why{Text: fmt.Sprintf("Nothing has happened to %s on this node yet.", name)}, nil
	}
	if err != nil {
		return control.Why{}, err
	}
	w := control.Why{Text: journal.Tell(chain)}
	for _, e := range chain {
		w.Chain = append(w.Chain, d.entry(e))
	}
	return w, nil
}
