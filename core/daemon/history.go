package daemon

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"strconv"

	"github.com/orchestrator-ha/orchestrator/core/archive"
	"github.com/orchestrator-ha/orchestrator/core/catalog"
	"github.com/orchestrator-ha/orchestrator/core/control"
)

// Apply checks the edited copy of a module and gives it to all nodes.
func (d *Daemon) Apply(ctx context.Context, by, name string, r control.ApplyRequest) (control.Outcome, error) {
	mod, err := d.module(name)
	if err != nil {
		return control.Outcome{}, err
	}
	content, set, err := mod.candidate(control.DiffRequest{Set: r.Set})
	if err != nil {
		return control.Outcome{}, err
	}
	return mod.m.put(ctx, put{name, by, content, set, "applied", r.StopStart})
}

// Diff tells what a configuration would change; without an archive or a version the
// edited copy of the module.
func (d *Daemon) Diff(ctx context.Context, name string, r control.DiffRequest) (control.Diff, error) {
	mod, err := d.module(name)
	if err != nil {
		return control.Diff{}, err
	}
	content, set, err := mod.candidate(r)
	if err != nil {
		return control.Diff{}, err
	}
	p, problems, err := mod.m.read(ctx, name, content, set)
	p.Problems = problems
	return p.Diff, err
}

// candidate is the archive that a request means, with the values that are set:
// those of the request beside those that the module has.
func (mod *module) candidate(r control.DiffRequest) ([]byte, map[string]string, error) {
	item, err := mod.m.catalog.Get(moduleItem(mod.conf.Name))
	if err == nil && r.Version != "" {
		item, err = mod.kept(r.Version)
	}
	if err != nil {
		return nil, nil, err
	}
	var meta moduleMeta
	if err := json.Unmarshal(item.Meta, &meta); err != nil {
		return nil, nil, fmt.Errorf("read the module's settings: %w", err)
	}
	set := maps.Clone(meta.Set)
	if set == nil {
		set = map[string]string{}
	}
	maps.Copy(set, r.Set)
	switch {
	case r.Version != "":
		return item.Content, set, nil
	case len(r.Archive) > 0:
		return r.Archive, set, nil
	}
	var b bytes.Buffer
	dir := mod.m.d.path("modules", mod.conf.Name)
	if err := archive.Write(&b, os.DirFS(dir)); err != nil {
		return nil, nil, inputError("the folder "+dir+" cannot be packed", err)
	}
	return b.Bytes(), set, nil
}

// past are the versions of a module that this node keeps, the current one first;
// of a module that was uninstalled in between none from before.
func (mod *module) past() ([]catalog.Item, error) {
	list, err := mod.m.catalog.History(moduleItem(mod.conf.Name))
	if err != nil {
		return nil, err
	}
	for i, it := range list {
		if it.Deleted {
			return list[:i], nil
		}
	}
	return list, nil
}

// kept finds a version: by its number such as 7.3, or by how many there were since.
func (mod *module) kept(version string) (catalog.Item, error) {
	list, err := mod.past()
	if err != nil {
		return catalog.Item{}, err
	}
	back, notNumber := strconv.Atoi(version)
	for i, it := range list {
		if it.Version.String() == version || notNumber == nil && i == back {
			return mod.m.catalog.GetVersion(it.Name, it.Version)
		}
	}
	if len(list) == 1 && notNumber == nil {
		return catalog.Item{}, &control.Refusal{Kind: control.ErrNotFound, Text: fmt.Sprintf("%s has had no other configuration than the one in use, %s", mod.conf.Name, list[0].Version)}
	}
	return catalog.Item{}, &control.Refusal{Kind: control.ErrNotFound, Text: fmt.Sprintf("%s has no version %q: it has %d, which orchestrator config history %s shows", mod.conf.Name, version, len(list), mod.conf.Name)}
}

// History shows the versions of a module that this node keeps, the current one
// first.
func (d *Daemon) History(_ context.Context, name string) ([]control.Version, error) {
	mod, err := d.module(name)
	if err != nil {
		return nil, err
	}
	list, err := mod.past()
	if err != nil {
		return nil, err
	}
	out := []control.Version{}
	for i, it := range list {
		var meta moduleMeta
		if err := json.Unmarshal(it.Meta, &meta); err != nil {
			return nil, fmt.Errorf("read the settings of version %s: %w", it.Version, err)
		}
		out = append(out, control.Version{Back: i, Version: it.Version.String(), Signature: it.Signature.Short(), Set: meta.Set, Applied: it.At, By: it.By})
	}
	return out, nil
}

// Rollback gives all nodes a version of before again, as a new one.
func (d *Daemon) Rollback(ctx context.Context, by, name string, r control.RollbackRequest) (control.Outcome, error) {
	mod, err := d.module(name)
	if err != nil {
		return control.Outcome{}, err
	}
	item, err := mod.kept(r.Version)
	if err != nil {
		return control.Outcome{}, err
	}
	if item.Signature == mod.now.Load().head.Signature {
		return control.Outcome{}, &control.Refusal{Kind: control.ErrRefused, Text: fmt.Sprintf("version %s of %s is the one in use", item.Version, name)}
	}
	content, set, err := mod.candidate(control.DiffRequest{Version: r.Version})
	if err != nil {
		return control.Outcome{}, err
	}
	return mod.m.put(ctx, put{name, by, content, set, fmt.Sprintf("set back to what it was in version %s, and applied", item.Version), r.StopStart})
}
