package daemon

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/orchestrator-ha/orchestrator/core"
	"github.com/orchestrator-ha/orchestrator/core/catalog"
	"github.com/orchestrator-ha/orchestrator/core/config"
	"github.com/orchestrator-ha/orchestrator/core/control"
	"github.com/orchestrator-ha/orchestrator/core/diag"
	"github.com/orchestrator-ha/orchestrator/core/runner"
	"github.com/orchestrator-ha/orchestrator/core/share"
	"github.com/orchestrator-ha/orchestrator/sdk"
)

// module is one installed module on this node.
type module struct {
	m            *member
	conf         *config.Module // it was made with; what may change while it runs is in now
	now          atomic.Pointer[version]
	dir          string // the active copy: hooks run from here
	runner       *runner.Runner
	sharing      *sharing               // of a farm; nil without a virtual address
	network      *network               // nil without a virtual address
	pair         *pair                  // of a mirror
	gate         *gate                  // of a mirror; nil without a virtual address
	replica      replica                // of a mirror; nil: it has nothing to replicate
	timetable    *timetable             // of a mirror with folders
	unreplicated string                 // why there is no replica, though there are folders
	stored       core.Kept              // of a mirror, as stored; of the runner's loop
	ruling       atomic.Pointer[ruling] // nil without failover rules of its own
	rules        *rulebook              // nil without a virtual address
	witness      func()                 // ends the watch over the witnesses; nil in other modes than mirror
	care         *caretaker
	renewals     renewals    // on their way in
	saved        wish        // of the runner's loop: what was saved last
	frozen       atomic.Bool // the daemon ends: what is wanted stays as it is
	claims       *claims     // of the network's goroutine, like the three after it
	probedAt     time.Time   // when the network was last asked who has the addresses
	probed       int         // how many addresses were asked for
	refresh      refresh
	hooks        hookRuns
	bare         sync.Mutex // held while the application is started or stopped without the module
	census       census
	tookOver     atomic.Int64 // time of the last announcement for a reason, in ns
	settle       sync.Mutex   // held while the checks are set; guards switches
	switches     switches
	mu           sync.Mutex  // guards what follows
	checking     []core.When // the checks that run
	cancel       func()      // ends the hook that runs
}

// version is the configuration that a module uses.
type version struct {
	conf *config.Module
	head catalog.Head
}

// newModule makes a module of what the catalog holds, without starting it.
func (m *member) newModule(item catalog.Item, conf *config.Module, dir string) *module {
	mod := &module{m: m, conf: conf, dir: dir, switches: m.loadSwitches(conf.Name)}
	mod.now.Store(&version{conf, item.Head})
	if len(conf.Interfaces) > 0 {
		mod.rules = &rulebook{filter: m.d.filter, config: mod.filterConfig}
		mod.rules.know(rulesName(conf), mod.groups())
	}
	if len(conf.Interfaces) > 0 && conf.Mode == core.Farm {
		self := m.id.Node.Number
		machine := share.NewMachine(self, m.name, mod.shareSettings(), share.Timing{})
		mod.sharing = newSharing(m.d.ctx, conf.Name, machine, mod.ports(), m.log)
		for _, n := range m.digests.heard() {
			mod.sharing.put(share.PeerDigest{Node: n, Digest: m.digests.of(n, conf.Name)}, 0)
		}
		mod.takeLeft()
	}
	var err error
	in := core.New(m.coreOf(conf))
	if conf.Mode == core.Mirror {
		in = in.Restore(m.d.kept(conf.Name))
		if err := mod.keep(in); err != nil {
			m.log.Error("begin a mirror", "error", err)
		}
	}
	mod.saved = m.wish(conf.Name)
	if mod.saved.Wanted == core.Up { // and stays so: what starts it at boot is no operator
		in.Wanted = core.Up
	}
	in.Failures, in.Held = mod.saved.Failures, mod.saved.Held
	whole := make(chan struct{})
	defer close(whole) // before that an effect may find no pair, replica or network
	mod.runner = runner.New(runner.Options{
		Instance: in, Effects: mod, Journal: records{m.d.journal}, Log: m.log, Persist: mod.persist, Hold: whole,
	})
	mod.follow(conf)
	if conf.Mode == core.Mirror {
		mod.joinPair(in)
		if mod.replica, err = mod.newReplica(conf); err != nil {
			m.log.Error("prepare replication", "module", conf.Name, "error", err)
			mod.unreplicated = err.Error()
		}
		if conf.Rfs != nil {
			mod.timetable = newTimetable(m.d.ctx, mod.timetablePorts())
		}
		ctx, cancel := context.WithCancel(m.d.ctx)
		mod.witness = cancel
		go followWitnesses(ctx, func() []config.Checker { return mod.config().Witnesses() }, mod.runner.Subscribe, mod.runner.Post)
		go mod.warmFilter(ctx)
	}
	if len(conf.Interfaces) > 0 {
		mod.claims = newClaims()
		mod.network = newNetwork(m.d.ctx, conf.Name, conf.Interfaces, mod.wire())
	}
	mod.care = mod.newCare()
	return mod
}

// config is the configuration in use.
func (mod *module) config() *config.Module {
	if v := mod.now.Load(); v != nil {
		return v.conf
	}
	return mod.conf
}

// weights are the configured powers by group; nodes not named have 1.
func (mod *module) weights() map[string]share.Weights {
	all := map[string]share.Weights{}
	for _, g := range mod.config().Groups {
		w := share.Weights{}
		for _, n := range mod.m.settings().Nodes {
			w[n.Number] = 1
			for _, h := range g.Hosts {
				if h.Name == n.Name {
					w[n.Number] = uint32(h.Power)
				}
			}
		}
		all[g.Name] = w
	}
	return all
}

// shareSettings is what the configuration says of sharing.
func (mod *module) shareSettings() share.Settings {
	farm := mod.config().Farm
	return share.Settings{
		Weights: mod.weights(), Hash: mod.m.settings().Hash, Keep: !farm.Fence, SlowStart: farm.SlowStart,
		Rules:     rulesName(mod.config()),
		Invisible: slices.ContainsFunc(mod.config().Interfaces, func(i config.Interface) bool { return !i.Directed }),
	}
}

// reweigh takes over the cluster's nodes or the powers after a change.
func (mod *module) reweigh() {
	if mod.sharing != nil {
		mod.sharing.put(share.Configured{Settings: mod.shareSettings()}, 0)
	}
}

func (mod *module) ports() ports {
	m, name := mod.m, mod.conf.Name
	return ports{
		send:     func(to core.NodeID, payload []byte) error { return m.cluster.Send(to, "share", payload) },
		publish:  m.publish,
		announce: mod.announce,
		resumed:  m.resumed,
		note: func(text string, cause int64) {
			m.d.noteModule(name, "share", "info", text+".", nil, cause)
		},
		setTable: mod.rules.setTable,
		count: func(ctx context.Context) (map[string][]uint32, error) {
			return m.d.filter.Sockets(ctx, name)
		},
	}
}

// announce tells the network that the module's addresses are reached here.
func (mod *module) announce(reason string) {
	mod.tookOver.Store(time.Now().UnixNano())
	mod.network.announceAll()
	mod.m.log.Debug("announce the virtual addresses", "module", mod.conf.Name, "reason", reason)
}

// close ends the module's loops; what runs goes on running.
func (mod *module) close() {
	if r := mod.ruling.Load(); r != nil {
		r.close()
	}
	if mod.witness != nil {
		mod.witness()
	}
	if mod.timetable != nil {
		mod.timetable.close()
	}
	mod.care.close()
	mod.runner.Close()
	mod.m.d.checks.Set(mod.conf.Name, nil)
	if mod.network != nil {
		mod.network.close()
	}
	if mod.replica != nil {
		mod.replica.Close()
	}
	if mod.pair != nil {
		mod.leavePair()
	}
	if mod.sharing != nil {
		mod.sharing.close()
		mod.m.publish(mod.conf.Name, share.Digest{})
		mod.m.resumed(mod.conf.Name)
	}
}

// wish is what is kept of a module's state over a restart of the daemon.
type wish struct {
	Wanted   core.State  `json:"wanted"`
	Held     string      `json:"held,omitempty"`     // who lets it wait until wakeup
	Failures []time.Time `json:"failures,omitempty"` // automatic actions that count in maxloop: also those that restarted the machine
}

func (w wish) equal(o wish) bool {
	return w.Wanted == o.Wanted && w.Held == o.Held && slices.EqualFunc(w.Failures, o.Failures, time.Time.Equal)
}

// persist saves what the operator wants of the module.
func (mod *module) persist(in core.Instance) {
	if mod.conf.Mode == core.Mirror {
		if err := mod.keep(in); err != nil {
			mod.m.log.Error("go on without a durable memory", "error", err)
			mod.m.d.noteModule(mod.conf.Name, "config", "error", fmt.Sprintf("After a loss of power this node may misjudge its data: %v.", err), nil, 0)
		}
	}
	w := wish{in.Wanted, in.Held, slices.Clone(in.Failures)}
	if mod.frozen.Load() || w.equal(mod.saved) {
		return
	}
	raw, err := json.Marshal(w)
	if err == nil {
		err = replaceDurably(mod.m.d.path("state", mod.conf.Name+".json"), raw)
	}
	if err != nil {
		mod.m.log.Error("save the wanted state", "module", mod.conf.Name, "error", err)
		return
	}
	mod.saved = w
}

// wanted is what was saved last.
func (m *member) wanted(name string) core.State { return m.wish(name).Wanted }

func (m *member) wish(name string) (w wish) {
	raw, err := os.ReadFile(m.d.path("state", name+".json"))
	if err == nil {
		err = json.Unmarshal(raw, &w)
	}
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		m.log.Error("read the wanted state", "module", name, "error", err)
	}
	return w
}

// replaceFile writes a file as a whole or not at all, unless the power fails; see
// replaceDurably.
func replaceFile(path string, content []byte) error {
	next := path + ".new"
	if err := os.WriteFile(next, content, 0o600); err != nil {
		return err
	}
	return os.Rename(next, path)
}

// all lists the modules in the order of their names.
func (m *member) all() []*module {
	m.mu.Lock()
	defer m.mu.Unlock()
	var list []*module
	for _, name := range slices.Sorted(maps.Keys(m.modules)) {
		list = append(list, m.modules[name])
	}
	return list
}

// module finds an installed module.
func (d *Daemon) module(name string) (*module, error) {
	m := d.current()
	if m == nil {
		return nil, errNoCluster
	}
	return m.module(name)
}

func (m *member) module(name string) (*module, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if mod := m.modules[name]; mod != nil {
		return mod, nil
	}
	names := slices.Sorted(maps.Keys(m.modules))
	return nil, &control.Refusal{Kind: control.ErrNotFound, Text: fmt.Sprintf("there is no module %q here%s installed: %s", name, meant(name, names), listOr(names, "none"))}
}

// meant asks for the nearest of some names, if one is near.
func meant(name string, names []string) string {
	if near := diag.Nearest(name, names); near != "" {
		return fmt.Sprintf(": did you mean %q?", near)
	}
	return ";"
}

// standing finds an installed module, not in the moment in which its configuration is
// replaced.
func (m *member) standing(name string) (*module, error) {
	m.loading.Lock()
	defer m.loading.Unlock()
	return m.module(name)
}

// stopModules stops all modules, side by side, for the end of the daemon. What
// their operators want of them stays as it is.
func (m *member) stopModules(limit time.Duration) {
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	m.loading.Lock() // what is being loaded is stopped with the others
	m.mu.Lock()
	m.closing = true // and one that has stopped is not loaded anew, with another configuration
	m.mu.Unlock()
	m.loading.Unlock()
	m.together(func(mod *module) {
		mod.frozen.Store(true)
		if mod.runner.Snapshot().State != core.Stop {
			if err := mod.runner.Command(ctx, core.VerbStop, "", "the end of the daemon"); err != nil {
				m.log.Warn("stop a module", "module", mod.conf.Name, "error", err)
			}
		}
		if _, err := mod.runner.WaitSettled(ctx); err != nil {
			m.log.Warn("wait for a module to stop", "module", mod.conf.Name, "error", err)
		}
		mod.close()
	})
	m.mu.Lock()
	m.modules = map[string]*module{}
	m.mu.Unlock()
}

// together does something with all modules, side by side.
func (m *member) together(do func(*module)) {
	var all sync.WaitGroup
	for _, mod := range m.all() {
		all.Go(func() { do(mod) })
	}
	all.Wait()
}

// filterRestarted gives a new filter process all that it has to know.
func (d *Daemon) filterRestarted(ctx context.Context) {
	m := d.current()
	if m == nil {
		return
	}
	for _, mod := range m.all() {
		if mod.network == nil || !mod.runner.Snapshot().Network {
			continue
		}
		if err := mod.network.refilter(ctx); err != nil {
			d.log.Error("configure the filter again", "module", mod.conf.Name, "error", err)
		}
	}
}

// groups are the rules by which traffic comes to the module.
func (mod *module) groups() []config.Group {
	if mod.conf.Mode == core.Mirror {
		return gateGroups()
	}
	return mod.config().Groups
}

// filterConfig is the module's wish for the filter.
func (mod *module) filterConfig(groups []sdk.FilterGroup, interfaces []sdk.FilterInterface) sdk.FilterConfig {
	c := sdk.FilterConfig{
		Module: mod.conf.Name, Self: uint8(mod.m.id.Node.Number), Fence: mod.config().Farm.Fence || mod.gate != nil, Interfaces: interfaces, Groups: groups,
		Hash: sdk.HashFunction(mod.m.settings().Hash),
	}
	copy(c.HashKey[:], mod.m.id.Keys.Hash)
	return c
}
