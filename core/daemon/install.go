package daemon

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/orchestrator-ha/orchestrator/core"
	"github.com/orchestrator-ha/orchestrator/core/archive"
	"github.com/orchestrator-ha/orchestrator/core/catalog"
	"github.com/orchestrator-ha/orchestrator/core/config"
	"github.com/orchestrator-ha/orchestrator/core/control"
	"github.com/orchestrator-ha/orchestrator/core/diag"
	"github.com/orchestrator-ha/orchestrator/modules"
)

// Install checks a module and gives it to all nodes.
func (d *Daemon) Install(ctx context.Context, by string, r control.InstallRequest) (control.Outcome, error) {
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
	out, err := m.put(ctx, put{r.Name, by, content, r.Set, "installed", r.StopStart})
	if err == nil {
		out.Next = m.next(r.Name)
	}
	return out, err
}

// next is what to type when a module is installed.
func (m *member) next(name string) string {
	mod, err := m.module(name)
	if err != nil || mod.runner.Snapshot().State != core.Stop {
		return ""
	}
	if mod.network != nil {
		if _, _, err := newPlace(mod.network, mod.conf.Interfaces).place(); err != nil {
			return "It cannot be started on this server as it is: " + err.Error()
		}
	}
	if in := mod.runner.Snapshot(); in.Module.Mirror.Replicated && in.Pair.Self.Data.Standing == core.StandingNone {
		return fmt.Sprintf("Say once which server has the files that are good: orchestrator prim %s --node NODE\nThen start the other one, which gets them: orchestrator start %s", name, name)
	}
	if mod.conf.Mode == core.Light && len(m.settings().Nodes) > 1 {
		return fmt.Sprintf("Start it where it is to run: orchestrator start %s --node NODE", name)
	}
	return "Start it with: orchestrator start " + name
}

// put is a configuration on its way into the catalog.
type put struct {
	name, by  string
	content   []byte // the archive
	set       map[string]string
	done      string // what is done with it, in words
	stopstart bool   // stop and start the module where that is needed
}

// read checks an archive with its settings and tells what it would change.
func (m *member) read(ctx context.Context, name string, content []byte, set map[string]string) (proposal, diag.Problems, error) {
	files, err := archive.Read(bytes.NewReader(content), int64(len(content)), name+".safe", archive.DefaultLimits())
	if err != nil {
		return proposal{}, nil, inputError("the archive of "+name+" cannot be used; nothing was changed", err)
	}
	found := hosts{}
	options := checkOptions(set, found.find(ctx), name+".safe:")
	options.Checker = MissingChecker(m.d.opt.Plugins, m.d.opt.Program, m.d.opt.Home)
	conf, problems := config.Parse(files, name, options)
	if conf != nil {
		problems = append(append(problems, m.fits(conf)...), UnknownResources(conf)...)
	}
	if problems.Refused() {
		return proposal{}, nil, inputError(name+" has mistakes; nothing was changed", problems)
	}
	if err := m.room(conf); err != nil {
		return proposal{}, nil, err
	}
	p, err := m.propose(ctx, conf, files)
	p.hosts = found
	return p, problems, err
}

// put checks an archive with its settings and puts it into the catalog.
func (m *member) put(ctx context.Context, r put) (control.Outcome, error) {
	p, problems, err := m.read(ctx, r.name, r.content, r.set)
	if err == nil {
		err = p.refused(r.stopstart)
	}
	if err == nil {
		err = p.strangers(ctx, m)
	}
	if err == nil && p.together() && len(p.Running) > 0 {
		err = m.pause(ctx, p, r.by)
	}
	if err != nil {
		return control.Outcome{}, err
	}
	meta, err := json.Marshal(moduleMeta{r.set, p.hosts})
	if err != nil {
		return control.Outcome{}, err
	}
	item, err := m.catalog.Put(moduleItem(r.name), r.content, meta, r.by)
	if err != nil {
		if p.together() {
			m.orders(ctx, p, order{Module: p.name, Verb: core.VerbStart, By: r.by})
		}
		return control.Outcome{}, err
	}
	if err := m.load(r.name); err != nil {
		return control.Outcome{}, err
	}
	name, done := r.name, r.done
	out := control.Outcome{Warnings: problems, Changes: p.Changes}
	if p.Stops && len(p.Running) > 0 {
		out.Nodes = m.cycle(ctx, p, m.arrival(item), r.by)
	}
	out.Nodes = merged(m.settings().Nodes, out.Nodes, m.awaitAll(m.arrival(item)))
	where := "all nodes of the cluster"
	var missing []string
	for _, n := range out.Nodes {
		if n.Text != "" {
			missing = append(missing, n.Node)
		}
	}
	if len(missing) > 0 {
		where = "this node, but not yet on " + strings.Join(missing, ", ")
	}
	out.Text = fmt.Sprintf("%s %s as version %s (%s) on %s", name, done, item.Version, item.Signature.Short(), where)
	return out, nil
}

// arriveTime is how long an install waits for the other nodes to take it over.
const arriveTime = 5 * time.Second

// arrival asks a node to say when it uses a version of a module.
type arrival struct {
	Module    string            `json:"module"`
	Signature catalog.Signature `json:"signature"`
	Digest    []byte            `json:"digest"` // of the asker's catalog: what is to be fetched from it
	From      core.NodeID       `json:"from"`   // the asker
}

func (m *member) arrival(item catalog.Item) arrival {
	return arrival{strings.TrimPrefix(item.Name, "module/"), item.Signature, m.catalog.Digest(), m.id.Node.Number}
}

// awaitAll waits until all nodes use a version of a module.
func (m *member) awaitAll(a arrival) []control.NodeOutcome {
	ctx, cancel := context.WithTimeout(m.ctx, arriveTime)
	defer cancel()
	nodes := m.settings().Nodes
	out := make([]control.NodeOutcome, len(nodes))
	var all sync.WaitGroup
	for i, n := range nodes {
		all.Go(func() {
			out[i] = control.NodeOutcome{Node: n.Name, OK: true}
			switch {
			case n.Number == a.From:
				if err := m.here(ctx, a); err != nil {
					out[i] = control.NodeOutcome{Node: n.Name, Text: err.Error()}
				}
			case !m.alive(n.Number):
				out[i].Text = "not reached now; it takes it over when it is back"
			default:
				if err := m.awaitOn(ctx, n.Number, a); err != nil {
					out[i] = control.NodeOutcome{Node: n.Name, Text: err.Error()}
				}
			}
		})
	}
	all.Wait()
	return out
}

func (m *member) awaitOn(ctx context.Context, n core.NodeID, a arrival) error {
	payload, err := json.Marshal(a)
	if err == nil {
		_, err = m.cluster.Call(ctx, n, "arrived", payload)
	}
	return err
}

// arrived answers when this node uses a version of a module, or cannot.
func (m *member) arrived(ctx context.Context, from core.NodeID, payload []byte) error {
	var a arrival
	if err := json.Unmarshal(payload, &a); err != nil {
		return fmt.Errorf("read the question: %w", err)
	}
	select {
	case <-m.ready:
	case <-ctx.Done():
		return errors.New("the node is still starting")
	}
	if err := m.syncer.RemoteDigest(from, a.Digest); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, arriveTime)
	defer cancel()
	return m.here(ctx, a)
}

// here waits until this node uses a version of a module.
func (m *member) here(ctx context.Context, a arrival) error {
	for {
		m.mu.Lock()
		mod, changed := m.modules[a.Module], m.loaded
		m.mu.Unlock()
		if mod != nil && mod.now.Load().head.Signature == a.Signature {
			return mod.renewed(ctx)
		}
		select {
		case <-changed:
		case <-ctx.Done():
			if mod != nil && !mod.runner.Snapshot().Settled() {
				return fmt.Errorf("it is %s and takes the configuration over when that has ended", mod.runner.Snapshot().Status())
			}
			return errors.New("the node has not taken over the new configuration; its log says why")
		}
	}
}

// announceLoaded wakes those who wait for a module.
func (m *member) announceLoaded() {
	m.mu.Lock()
	defer m.mu.Unlock()
	close(m.loaded)
	m.loaded = make(chan struct{})
}

func failedNodes(list []control.NodeOutcome) []string {
	var names []string
	for _, n := range list {
		if !n.OK {
			names = append(names, n.Node)
		}
	}
	return names
}

func inputError(text string, err error) error {
	r := &control.Refusal{Kind: control.ErrInput, Text: text}
	if !errors.As(err, &r.Problems) {
		r.Text += ": " + err.Error()
	}
	return r
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
