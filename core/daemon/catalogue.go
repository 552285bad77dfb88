package daemon

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"

	"github.com/orchestrator-ha/orchestrator/core"
	"github.com/orchestrator-ha/orchestrator/core/archive"
	"github.com/orchestrator-ha/orchestrator/core/catalog"
	"github.com/orchestrator-ha/orchestrator/core/config"
	"github.com/orchestrator-ha/orchestrator/core/control"
	"github.com/orchestrator-ha/orchestrator/core/hook"
	"github.com/orchestrator-ha/orchestrator/modules"
)

var errNoCluster = &control.Refusal{
	Kind: control.ErrRefused,
	Text: "this node belongs to no cluster yet: run 'orchestrator cluster init' on the first node, 'orchestrator cluster join' on the others",
}

// moduleMeta is kept beside a module's archive in the catalog.
type moduleMeta struct {
	Set map[string]string `json:"set,omitempty"`
}

// watchCatalog loads what changes in the catalog, one change after the other.
func (m *member) watchCatalog() func() error {
	changes := make(chan string, 1024)
	cancel := m.catalog.Subscribe(func(it catalog.Item) {
		select {
		case changes <- it.Name:
		case <-m.ctx.Done():
		}
	})
	m.work(func() {
		for {
			select {
			case <-m.ctx.Done():
				return
			case name := <-changes:
				m.changed(name)
			}
		}
	})
	return func() error { cancel(); return nil }
}

func (m *member) changed(item string) {
	switch name, isModule := strings.CutPrefix(item, "module/"); {
	case item == clusterItem:
		m.reconfigure()
	case isModule:
		if err := m.load(name); err != nil {
			m.d.noteModule(name, "config", "error", fmt.Sprintf("The new configuration of %s cannot be used on this node: %v", name, err), nil, 0)
			m.log.Error("load a module", "module", name, "error", err)
		}
	}
}

// hasModules says that a module is, or was, installed.
func (m *member) hasModules() bool {
	return slices.ContainsFunc(m.catalog.List(), func(it catalog.Item) bool { return strings.HasPrefix(it.Name, "module/") })
}

// loadAll loads the modules that the catalog holds, and starts those that are
// to run.
func (m *member) loadAll() {
	for _, item := range m.catalog.List() {
		if strings.HasPrefix(item.Name, "module/") && !item.Deleted {
			m.changed(item.Name)
		}
	}
}

// load takes over a module's current version from the catalog.
func (m *member) load(name string) error {
	m.loading.Lock()
	defer m.loading.Unlock()
	m.mu.Lock()
	old, closing := m.modules[name], m.closing
	m.mu.Unlock()
	if closing {
		return nil
	}
	item, err := m.catalog.Get(moduleItem(name))
	gone := errors.Is(err, catalog.ErrNotFound)
	if err != nil && !gone {
		return err
	}
	if old != nil {
		if !gone && old.head.Signature == item.Signature {
			return nil
		}
		if in := old.runner.Snapshot(); in.State != core.Stop {
			m.d.noteModule(name, "config", "warn", fmt.Sprintf("%s has a new configuration, which comes into force when it is stopped on this node.", name), nil, 0)
			go m.loadWhenStopped(old)
			return nil
		}
		old.close()
	}
	m.mu.Lock()
	delete(m.modules, name)
	m.mu.Unlock()
	if gone {
		m.d.noteModule(name, "config", "info", name+" was uninstalled.", nil, 0)
		return errors.Join(os.RemoveAll(m.d.path("active", name)), os.RemoveAll(m.d.path("modules", name)), removeIf(m.d.path("state", name+".json")))
	}
	return m.adopt(name, item)
}

func removeIf(path string) error {
	if err := os.Remove(path); !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return nil
}

// loadWhenStopped loads a module again once it has stopped.
func (m *member) loadWhenStopped(old *module) {
	updates, stop := old.runner.Subscribe()
	defer stop()
	for {
		select {
		case <-m.ctx.Done():
			return
		case in := <-updates:
			if in.State == core.Stop && in.Settled() {
				m.changed(moduleItem(old.conf.Name))
				return
			}
		}
	}
}

// adopt makes a module of a catalog item and starts it if it is to run.
func (m *member) adopt(name string, item catalog.Item) error {
	var meta moduleMeta
	if err := json.Unmarshal(item.Meta, &meta); err != nil {
		return fmt.Errorf("read the module's settings: %w", err)
	}
	files, err := archive.Read(bytes.NewReader(item.Content), int64(len(item.Content)), name+".safe", archive.DefaultLimits())
	if err != nil {
		return err
	}
	for _, copyName := range []string{"active", "modules"} {
		if err := archive.Extract(files, m.d.path(copyName, name)); err != nil {
			return err
		}
	}
	dir := m.d.path("active", name)
	conf, problems := config.Parse(os.DirFS(dir), name, checkOptions(meta.Set, name+"/"))
	if conf == nil {
		return problems
	}
	mod := m.newModule(item, conf, dir)
	m.mu.Lock()
	m.modules[name] = mod
	m.mu.Unlock()
	m.d.noteModule(name, "config", "info", fmt.Sprintf("%s is configured with version %s (%s), applied by %s.", name, item.Version, item.Signature.Short(), item.By), nil, 0)
	m.boot(mod)
	return nil
}

// boot starts a module when its node comes up, as service boot="…" says. Of
// "ignore", SafeKit's default, this makes "auto": what ran before runs again.
func (m *member) boot(mod *module) {
	wanted := m.wanted(mod.conf.Name)
	mod.saved.Store(wanted)
	start := mod.conf.Boot == "on" || mod.conf.Boot != "off" && wanted == core.Up
	if !start {
		return
	}
	go func() {
		if err := mod.runner.Command(m.ctx, core.VerbStart, "", "the start of the daemon"); err != nil {
			m.log.Warn("start a module", "module", mod.conf.Name, "error", err)
		}
	}()
}

func checkOptions(set map[string]string, path string) config.Options {
	return config.Options{Set: set, Env: os.LookupEnv, CheckHook: hook.CheckSyntax, Path: path}
}

// Install checks a module and gives it to all nodes.
func (d *Daemon) Install(_ context.Context, by string, r control.InstallRequest) (control.Outcome, error) {
	m := d.current()
	if m == nil {
		return control.Outcome{}, errNoCluster
	}
	if err := config.ValidName(r.Name); err != nil {
		return control.Outcome{}, &control.Refusal{Kind: control.ErrInput, Text: err.Error()}
	}
	content := r.Archive
	if r.Builtin != "" {
		files, ok := modules.Builtin(r.Builtin)
		if !ok {
			return control.Outcome{}, &control.Refusal{Kind: control.ErrNotFound, Text: fmt.Sprintf("there is no file %s.safe here and no shipped module of that name; shipped: %s", r.Builtin, strings.Join(modules.Names(), ", "))}
		}
		var b bytes.Buffer
		if err := archive.Write(&b, files); err != nil {
			return control.Outcome{}, err
		}
		content = b.Bytes()
	}
	return m.put(r.Name, by, content, r.Set, "installed")
}

// put checks an archive with its settings and puts it into the catalog.
func (m *member) put(name, by string, content []byte, set map[string]string, done string) (control.Outcome, error) {
	files, err := archive.Read(bytes.NewReader(content), int64(len(content)), name+".safe", archive.DefaultLimits())
	if err != nil {
		return control.Outcome{}, inputError("the archive of "+name+" cannot be used; nothing was changed", err)
	}
	conf, problems := config.Parse(files, name, checkOptions(set, name+".safe:"))
	if conf != nil {
		var others []*config.Module
		for _, mod := range m.all() {
			others = append(others, mod.conf)
		}
		problems = append(problems, config.CheckAgainst(conf, others)...)
	}
	if problems.Refused() {
		return control.Outcome{}, inputError(name+" has mistakes; nothing was changed", problems)
	}
	if busy := m.running(name); busy != "" {
		return control.Outcome{}, &control.Refusal{Kind: control.ErrRefused, Text: fmt.Sprintf("%s is %s: stop it first with: orchestrator stop %s", name, busy, name)}
	}
	meta, err := json.Marshal(moduleMeta{set})
	if err != nil {
		return control.Outcome{}, err
	}
	item, err := m.catalog.Put(moduleItem(name), content, meta, by)
	if err != nil {
		return control.Outcome{}, err
	}
	if err := m.load(name); err != nil {
		return control.Outcome{}, err
	}
	return control.Outcome{
		Text:     fmt.Sprintf("%s %s as version %s (%s) on all nodes of the cluster", name, done, item.Version, item.Signature.Short()),
		Warnings: problems,
	}, nil
}

// running says in which state a module is on this node if it is not stopped.
func (m *member) running(name string) string {
	m.mu.Lock()
	mod := m.modules[name]
	m.mu.Unlock()
	if mod == nil {
		return ""
	}
	if in := mod.runner.Snapshot(); in.State != core.Stop {
		return in.Status() + " on this node"
	}
	return ""
}

func inputError(text string, err error) error {
	r := &control.Refusal{Kind: control.ErrInput, Text: text}
	if !errors.As(err, &r.Problems) {
		r.Text += ": " + err.Error()
	}
	return r
}

// Apply checks the edited copy of a module and gives it to all nodes.
func (d *Daemon) Apply(_ context.Context, by, name string, set map[string]string) (control.Outcome, error) {
	mod, err := d.module(name)
	if err != nil {
		return control.Outcome{}, err
	}
	item, err := mod.m.catalog.Get(moduleItem(name))
	if err != nil {
		return control.Outcome{}, err
	}
	var meta moduleMeta
	if err := json.Unmarshal(item.Meta, &meta); err != nil {
		return control.Outcome{}, fmt.Errorf("read the module's settings: %w", err)
	}
	all := maps.Clone(meta.Set)
	if all == nil {
		all = map[string]string{}
	}
	maps.Copy(all, set)
	var b bytes.Buffer
	if err := archive.Write(&b, os.DirFS(d.path("modules", name))); err != nil {
		return control.Outcome{}, inputError("the folder "+d.path("modules", name)+" cannot be packed", err)
	}
	return mod.m.put(name, by, b.Bytes(), all, "applied")
}

// Uninstall removes a module from all nodes.
func (d *Daemon) Uninstall(ctx context.Context, by, name string) (control.Outcome, error) {
	mod, err := d.module(name)
	if err != nil {
		return control.Outcome{}, err
	}
	st, err := d.Status(ctx, name)
	if err != nil {
		return control.Outcome{}, err
	}
	for _, n := range st.Modules[0].Nodes {
		if n.Reachable && n.State != core.Stop {
			return control.Outcome{}, &control.Refusal{Kind: control.ErrRefused, Text: fmt.Sprintf("%s is %s on %s: stop it first with: orchestrator stop %s", name, n.State, n.Node, name)}
		}
	}
	if err := mod.m.catalog.Delete(moduleItem(name), by); err != nil {
		return control.Outcome{}, err
	}
	if err := mod.m.load(name); err != nil {
		return control.Outcome{}, err
	}
	return control.Outcome{Text: name + " uninstalled on all nodes of the cluster"}, nil
}

// Package is the editable copy of a module as an archive.
func (d *Daemon) Package(_ context.Context, name string) ([]byte, error) {
	if _, err := d.module(name); err != nil {
		return nil, err
	}
	var b bytes.Buffer
	err := archive.Write(&b, os.DirFS(d.path("modules", name)))
	return b.Bytes(), err
}

// List shows the installed modules.
func (d *Daemon) List(context.Context) ([]control.ModuleInfo, error) {
	m := d.current()
	if m == nil {
		return nil, errNoCluster
	}
	list := []control.ModuleInfo{}
	for _, mod := range m.all() {
		item, err := m.catalog.Get(moduleItem(mod.conf.Name))
		if err != nil {
			return nil, err
		}
		var meta moduleMeta
		if err := json.Unmarshal(item.Meta, &meta); err != nil {
			return nil, fmt.Errorf("read the settings of %s: %w", mod.conf.Name, err)
		}
		list = append(list, control.ModuleInfo{
			Name: mod.conf.Name, Mode: mod.conf.Mode, Signature: item.Signature.Short(), Version: item.Version.String(),
			Set: meta.Set, Applied: item.At, By: item.By,
		})
	}
	return list, nil
}

func listOr(names []string, none string) string {
	if len(names) == 0 {
		return none
	}
	slices.Sort(names)
	return strings.Join(names, ", ")
}
