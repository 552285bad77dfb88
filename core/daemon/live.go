package daemon

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"sync"

	"github.com/orchestrator-ha/orchestrator/core"
	"github.com/orchestrator-ha/orchestrator/core/archive"
	"github.com/orchestrator-ha/orchestrator/core/catalog"
	"github.com/orchestrator-ha/orchestrator/core/check"
	"github.com/orchestrator-ha/orchestrator/core/config"
)

// A configuration that can be taken over while the module runs goes to its state
// machine, which says when: not in the middle of a transition. Then (ActRenew)
// files, checks, rules and shares become the new ones, after that (ActNetworkNew)
// addresses and the filter, and at last the hook update is called.

// renewal is a version on its way into a module that runs.
type renewal struct {
	version
	files   fs.FS
	changed config.Changes // of files
}

// renewals are those that the state machine has not taken over yet, by version.
type renewals struct {
	mu      sync.Mutex
	next    map[string]renewal
	trouble string // why the last one is not in force as a whole; empty if it is
}

func (r *renewals) put(version string, n renewal) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.next == nil {
		r.next = map[string]renewal{}
	}
	r.next[version] = n
}

// take answers a version. Those that are older will not be asked for any more.
func (r *renewals) take(version string) (renewal, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	n, ok := r.next[version]
	for v, old := range r.next {
		if ok && old.head.Version.Compare(n.head.Version) <= 0 {
			delete(r.next, v)
		}
	}
	return n, ok
}

func (r *renewals) went(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.trouble = ""
	if err != nil {
		r.trouble = err.Error()
	}
}

func (r *renewals) wrong() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.trouble
}

// differences tell what another version would change here.
func (mod *module) differences(conf *config.Module, files fs.FS) (config.Changes, config.Changes, error) {
	was, err := mod.files()
	if err != nil {
		return nil, nil, err
	}
	changed, err := config.CompareFiles(was, files)
	return config.Compare(mod.config(), conf), changed, err
}

// files are those of the version in use: of the catalog, because hooks may have put
// more into the folder that they run from.
func (mod *module) files() (fs.FS, error) {
	head := mod.now.Load().head
	item, err := mod.m.catalog.GetVersion(head.Name, head.Version)
	if err == nil {
		files, _, err := unpacked(mod.conf.Name, item)
		return files, err
	}
	return packed(os.DirFS(mod.dir))
}

// packed is a folder as an archive has it.
func packed(folder fs.FS) (fs.FS, error) {
	var b bytes.Buffer
	if err := archive.Write(&b, folder); err != nil {
		return nil, err
	}
	return archive.Read(bytes.NewReader(b.Bytes()), int64(b.Len()), "module", archive.DefaultLimits())
}

// changeLive has the state machine take over a version from the catalog while the
// module runs; false means that it cannot.
func (mod *module) changeLive(item catalog.Item) (bool, error) {
	name := mod.conf.Name
	files, meta, err := unpacked(name, item)
	if err != nil {
		return false, err
	}
	conf, problems := config.Parse(files, name, checkOptions(meta.Set, meta.Hosts.known, name+"/"))
	if conf == nil {
		return false, problems
	}
	changes, changed, err := mod.differences(conf, files)
	if err != nil || !changes.Effect().Live() {
		return false, err
	}
	next := renewal{version{conf, item.Head}, files, changed}
	if len(changed) == 0 && changes.Effect() == config.EffectNone {
		return true, mod.adoptText(next)
	}
	mod.renewals.put(item.Version.String(), next)
	plan := mod.m.coreOf(conf)
	plan.Version = item.Version.String()
	mod.runner.Post(core.Event{Kind: core.EventModule, Module: &plan, Reason: fmt.Sprintf("version %s (%s), applied by %s", item.Version, item.Signature.Short(), item.By)})
	return true, nil
}

// adoptText takes over a version that says the same in other words.
func (mod *module) adoptText(next renewal) error {
	err := mod.takeFiles(next)
	mod.now.Store(&next.version)
	mod.m.announceLoaded()
	return err
}

// renew makes a version the one in use; the network follows (renewNetwork).
func (mod *module) renew(number string, cause int64) {
	next, ok := mod.renewals.take(number)
	if !ok {
		mod.m.log.Error("take over a configuration that is not there", "module", mod.conf.Name, "version", number)
		return
	}
	err := mod.takeFiles(next)
	if err != nil {
		mod.m.d.noteModule(mod.conf.Name, "config", "error", fmt.Sprintf("Files of the new configuration could not be written: %v.", err), nil, cause)
	}
	mod.now.Store(&next.version)
	mod.refollow(next.conf)
	if mod.replica != nil {
		err = errors.Join(err, mod.replica.Change(next.conf))
	}
	mod.renewals.went(errors.Join(err, mod.isConfigured()))
	mod.timetable.poke()
	if mod.rules != nil {
		mod.rules.know(rulesName(next.conf), mod.groups())
	}
	mod.rewatch(next.changed)
	if mod.network != nil && len(mod.network.holds()) == 0 {
		mod.network.reconfigure(next.conf.Interfaces)
	}
	mod.reweigh()
	if mod.pair != nil {
		mod.pair.put(patience{next.conf.Heart.Timeout})
	}
	mod.m.announceLoaded()
}

// renewNetwork gives the module the addresses and rules of the version in use.
func (mod *module) renewNetwork(ctx context.Context) error {
	err := mod.network.renew(ctx, mod.config().Interfaces)
	if err != nil {
		mod.renewals.went(err)
	}
	return err
}

// follow begins to follow the rules of a configuration, if it has some.
func (mod *module) follow(conf *config.Module) {
	set := RuleSet(conf)
	if len(set.Rules) == 0 {
		mod.ruling.Store(nil)
		return
	}
	mod.ruling.Store(newRuling(mod.m.d.ctx, set, rulingPorts{watch: mod.runner.Subscribe, post: mod.runner.Post, cluster: mod.m.seesOthers, remotes: mod.remotes(set.Remotes())}))
}

// refollow begins anew with the rules, as the state machine does.
func (mod *module) refollow(conf *config.Module) {
	if old := mod.ruling.Load(); old != nil {
		old.close()
	}
	mod.follow(conf)
}

// rewatch runs the checks of the configuration in use. Those that differ begin
// anew, and those that use a file which differs.
func (mod *module) rewatch(files config.Changes) {
	mod.settle.Lock()
	defer mod.settle.Unlock()
	mod.mu.Lock()
	parts := slices.Clone(mod.checking)
	mod.mu.Unlock()
	stale := mod.using(files)
	if len(stale) > 0 {
		rest := slices.DeleteFunc(mod.specs(parts), func(s check.Spec) bool { return slices.Contains(stale, s.Resource) })
		if err := mod.m.d.checks.Set(mod.conf.Name, rest); err != nil {
			mod.m.log.Error("set the checks", "module", mod.conf.Name, "error", err)
		}
	}
	mod.watch(parts)
}

// using are the resources of checks that use one of the files.
func (mod *module) using(files config.Changes) []string {
	changed := map[config.File]bool{}
	for _, c := range files {
		changed[config.File(c.Path)] = true
	}
	var list []string
	conf := mod.config()
	for _, c := range slices.Concat(conf.Checkers, conf.Witnesses()) {
		if slices.ContainsFunc(c.Files(), func(f config.File) bool { return changed[f] }) {
			list = append(list, c.Resource())
		}
	}
	return list
}
