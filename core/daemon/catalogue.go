package daemon

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"slices"
	"strings"

	"github.com/orchestrator-ha/orchestrator/core"
	"github.com/orchestrator-ha/orchestrator/core/archive"
	"github.com/orchestrator-ha/orchestrator/core/catalog"
	"github.com/orchestrator-ha/orchestrator/core/config"
	"github.com/orchestrator-ha/orchestrator/core/control"
	"github.com/orchestrator-ha/orchestrator/core/diag"
	"github.com/orchestrator-ha/orchestrator/core/hook"
)

var errNoCluster = &control.Refusal{
	Kind: control.ErrRefused,
	Text: "this node belongs to no cluster yet: run 'orchestrator cluster init' on the first node, 'orchestrator cluster join' on the others",
}

// moduleMeta is kept beside a module's archive in the catalog.
type moduleMeta struct {
	Set map[string]string `json:"set,omitempty"`
	// Hosts are the names that were looked up when the configuration was applied.
	Hosts hosts `json:"hosts,omitempty"`
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
	case item == accessItem:
		m.takeAccess()
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
		widowed := old.widowed()
		if !gone && !widowed && old.now.Load().head.Signature == item.Signature {
			return nil
		}
		if !gone && !widowed && old.runner.Snapshot().State != core.Stop {
			if done, err := old.changeLive(item); done || err != nil {
				return err
			}
		}
		if in := old.runner.Snapshot(); in.State != core.Stop {
			news := name + " has a new configuration, which comes into force"
			if widowed {
				news = fmt.Sprintf("The other server of %s is another one now: they find each other", name)
			}
			m.d.noteModule(name, "config", "warn", news+" when it is stopped on this node.", nil, 0)
			go m.loadWhenStopped(old)
			return nil
		}
		if gone {
			if err := old.beside(hookDeconfig); err != nil {
				m.d.noteModule(name, "config", "error", fmt.Sprintf("%s was uninstalled, but its %v.", name, err), nil, 0)
			}
		}
		old.close()
	}
	m.mu.Lock()
	delete(m.modules, name)
	m.mu.Unlock()
	if gone {
		m.d.noteModule(name, "config", "info", name+" was uninstalled.", nil, 0)
		if old != nil && old.replica != nil {
			if err := old.replica.Release(); err != nil {
				m.d.noteModule(name, "config", "error", fmt.Sprintf("The replicated files of %s were left where they are: %v.", name, err), nil, 0)
			}
		}
		return errors.Join(os.RemoveAll(m.d.path("active", name)), os.RemoveAll(m.d.path("modules", name)), removeIf(m.switchesFile(name)), removeIf(m.configuredFile(name)), removeIf(m.d.path("state", name+".json")), removeIf(m.d.keptFile(name)), removeIf(m.d.path("state", name+".replica")))
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
	files, meta, err := unpacked(name, item)
	if err != nil {
		return err
	}
	copies := []string{"active", "modules"}
	if m.edited(name, item.Head) {
		copies = copies[:1]
	}
	for _, copyName := range copies {
		if err := archive.Extract(files, m.d.path(copyName, name)); err != nil {
			return err
		}
	}
	dir := m.d.path("active", name)
	conf, problems := config.Parse(os.DirFS(dir), name, checkOptions(meta.Set, meta.Hosts.known, name+"/"))
	if conf == nil {
		return problems
	}
	if err := writeGenerated(dir, m.d.opt.Home, conf); err != nil {
		return err
	}
	mod := m.newModule(item, conf, dir)
	m.mu.Lock()
	m.modules[name] = mod
	m.mu.Unlock()
	mod.renewals.went(mod.configured())
	m.announceLoaded()
	m.d.noteModule(name, "config", "info", fmt.Sprintf("%s is configured with version %s (%s), applied by %s.", name, item.Version, item.Signature.Short(), item.By), nil, 0)
	m.boot(mod)
	return nil
}

// unpacked is the archive of a catalog item, and what was set with it.
func unpacked(name string, item catalog.Item) (*archive.FS, moduleMeta, error) {
	var meta moduleMeta
	if err := json.Unmarshal(item.Meta, &meta); err != nil {
		return nil, meta, fmt.Errorf("read the module's settings: %w", err)
	}
	files, err := archive.Read(bytes.NewReader(item.Content), int64(len(item.Content)), name+".safe", archive.DefaultLimits())
	return files, meta, err
}

// fits compares a module with the others and with the cluster.
func (m *member) fits(conf *config.Module) diag.Problems {
	var others []*config.Module
	for _, mod := range m.all() {
		others = append(others, mod.config())
	}
	var nodes, networks []string
	settings := m.settings()
	for _, n := range settings.Nodes {
		nodes = append(nodes, n.Name)
	}
	for _, n := range settings.Networks {
		networks = append(networks, n.Name)
	}
	return append(config.CheckAgainst(conf, others), config.CheckCluster(conf, nodes, networks)...)
}

func checkOptions(set map[string]string, resolve func(string) (netip.Addr, error), path string) config.Options {
	return config.Options{Set: set, Env: os.LookupEnv, CheckHook: hook.CheckSyntax, CheckRules: CheckRules, Resolve: resolve, Path: path}
}
