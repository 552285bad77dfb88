// Package daemon is the composition root: it builds a node of all its parts,
// runs them, and closes them in reverse. Every other package knows only
// itself; what one needs of another is connected here.
//
//	daemon.go    the node: what it always has; Run
//	member.go    what it has while it belongs to a cluster
//	founding.go  init, join, leave: how it gets there
//	module.go    one module: its runner and what its actions do (effects.go)
//	sharing.go   one module's share machine and what its effects do
//	mirror.go    a module with two nodes: its pair (pair.go) and its address (gate.go)
//	catalogue.go the shared configuration: loading what changes
//	install.go   install, apply, uninstall
//	command.go   verbs, here and on other nodes
//	views.go     what is shown
//	metrics.go   what is measured; one table for each part of the node
package daemon

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"time"

	"github.com/orchestrator-ha/orchestrator/core/check"
	"github.com/orchestrator-ha/orchestrator/core/control"
	"github.com/orchestrator-ha/orchestrator/core/hook"
	"github.com/orchestrator-ha/orchestrator/core/journal"
	"github.com/orchestrator-ha/orchestrator/core/pki"
	"github.com/orchestrator-ha/orchestrator/core/pluginhost"
	"github.com/orchestrator-ha/orchestrator/core/vip"
	"github.com/orchestrator-ha/orchestrator/sdk"
)

// Options says what a daemon works with.
type Options struct {
	Home    string              // directory of everything the node keeps
	Version string              // of the program
	Program string              // path of the program, for hooks
	Plugins []pluginhost.Plugin // what is built in
	Log     *slog.Logger
	Reboot  func(context.Context) error // restarts the machine; nil where that cannot be
}

// Daemon is a node.
type Daemon struct {
	opt     Options
	log     *slog.Logger
	ctx     context.Context // ends when the daemon stops
	journal *journal.Journal
	plugins *pluginhost.Host
	filter  *pluginhost.Filter
	checks  *check.Runner
	hooks   *hook.Host
	holder  *vip.Holder
	speaker *vip.Announcer

	sessions  *control.Sessions // logins to the console
	strangers strangers

	booted   bool      // no daemon has run here since the machine was booted
	clean    sync.Once // removes leftovers
	cleanErr error
	left     []string // modules whose applications were left running; until they are loaded

	found  sync.Mutex // held while the cluster is founded, joined or left
	mu     sync.Mutex
	member *member // nil while the node belongs to no cluster
}

// shutdownTime is how long modules may take to stop when the daemon is told to
// end.
const shutdownTime = 60 * time.Second

// Run runs a node until ctx ends. Then its modules are stopped in good order.
func Run(ctx context.Context, opt Options) (err error) {
	defer runtime.KeepAlive(ballast())
	inner, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	d := &Daemon{opt: opt, log: opt.Log, ctx: inner}
	d.sessions = control.NewSessions(d.signingSecret)
	var undo closers
	defer func() { err = errors.Join(err, undo.run()) }()

	unlock, err := lockHome(opt.Home)
	if err != nil {
		return err
	}
	undo.add("unlock the home directory", unlock)
	go sweep(inner)
	if err := d.build(&undo); err != nil {
		return err
	}
	server, listener, err := d.listenLocal()
	if err != nil {
		return err
	}
	undo.add("close the local socket", func() error { return errors.Join(server.Close(), closeQuietly(listener)) })
	if err := d.resume(); err != nil { // who asks meanwhile waits for an answer
		return err
	}
	undo.add("leave the network", func() error {
		d.found.Lock()
		defer d.found.Unlock()
		return d.stopMember(shutdownTime)
	})
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	d.note("node", "info", "The daemon has started.", nil, 0)
	d.log.Info("the daemon has started", "home", opt.Home, "version", opt.Version)
	select {
	case <-ctx.Done():
		d.log.Info("the daemon stops")
		return nil
	case err := <-served:
		return fmt.Errorf("serve the local socket: %w", err)
	}
}

// closeQuietly closes a listener that its server may have closed already.
func closeQuietly(l net.Listener) error {
	if err := l.Close(); !errors.Is(err, net.ErrClosed) {
		return err
	}
	return nil
}

// build makes the parts that a node has whether or not it is in a cluster.
func (d *Daemon) build(undo *closers) error {
	for _, dir := range []string{"cluster", "catalog", "modules", "active", "output", "state", "run", "plugins"} {
		if err := os.MkdirAll(d.path(dir), 0o700); err != nil {
			return fmt.Errorf("make the home directory: %w", err)
		}
	}
	var err error
	if d.booted, err = d.firstOfBoot(bootID()); err != nil {
		return err
	}
	if d.journal, err = journal.Open(d.path("journal.db"), journal.Limits{}, nil); err != nil {
		return fmt.Errorf("open the journal: %w", err)
	}
	undo.add("close the journal", d.journal.Close)
	d.plugins, err = pluginhost.New(pluginhost.Options{
		Plugins: d.opt.Plugins, Dirs: PluginDirs(d.opt.Program, d.opt.Home), Log: d.log, Events: d.pluginEvent, LogLevel: slog.LevelInfo,
		Env: []string{"ORCHESTRATOR_HOME=" + d.opt.Home},
	})
	if err != nil {
		return fmt.Errorf("prepare plugins: %w", err)
	}
	undo.add("close the plugins", func() error { d.plugins.Close(); return nil })
	if d.filter, err = d.plugins.Filter("ebpf"); err != nil {
		return fmt.Errorf("find the packet filter: %w", err)
	}
	d.filter.OnRestart(d.filterRestarted)
	d.checks = check.New(d.plugins, d.resource)
	undo.add("stop the checks", func() error { d.checks.Close(); return nil })
	if err := linkTools(d.path("bin"), d.opt.Program); err != nil {
		return err
	}
	d.hooks = hook.New(hook.Options{
		Applications: applications{d.plugins, d.tellHostname, d.inMirror}, Resources: resources{d}, Modules: commands{d},
		Log: d.log, Home: d.opt.Home, Tools: d.path("bin"),
	})
	d.holder = vip.NewHolder()
	d.speaker = vip.NewAnnouncer(d.log, d.mayAnnounce)
	undo.add("stop announcing", func() error { d.speaker.Close(); return nil })
	return nil
}

// PluginDirs are where plugins lie that are programs of their own: beside this one,
// and where an administrator puts more.
func PluginDirs(program, home string) []string {
	var dirs []string
	if program != "" {
		if real, err := filepath.EvalSymlinks(program); err == nil {
			program = real
		}
		dirs = append(dirs, filepath.Dir(program))
	}
	return append(dirs, filepath.Join(home, "plugins"))
}

// MissingChecker tells, for config.Options, why a checker cannot be run by the daemon of
// that home, which has plugins of its own.
func MissingChecker(plugins []pluginhost.Plugin, program, home string) func(string) error {
	return func(name string) error {
		return pluginhost.Missing(plugins, sdk.KindChecker, name, PluginDirs(program, home))
	}
}

// resume takes up the cluster that the node already belongs to.
func (d *Daemon) resume() error {
	id, err := pki.Open(d.path("cluster"))
	if errors.Is(err, pki.ErrNoCluster) {
		d.log.Info("the node belongs to no cluster yet: run 'orchestrator cluster init' or 'cluster join'")
		return nil
	}
	if err != nil {
		return fmt.Errorf("open the cluster's keys: %w", err)
	}
	err = d.startMember(id)
	if errors.Is(err, errTakenOut) { // and the daemon died before it had departed
		d.note("member", "warn", "This server was taken out of the cluster, and forgets it. Files of replicated folders are where they were.", nil, 0)
		return d.forget()
	}
	return err
}

// listenLocal opens the unix socket of the API for root.
func (d *Daemon) listenLocal() (*http.Server, net.Listener, error) {
	path := Socket(d.opt.Home)
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, nil, fmt.Errorf("remove an old socket: %w", err)
	}
	l, err := (&net.ListenConfig{}).Listen(d.ctx, "unix", path)
	if err != nil {
		return nil, nil, fmt.Errorf("listen on %s: %w", path, err)
	}
	if err := os.Chmod(path, 0o600); err != nil {
		return nil, nil, errors.Join(fmt.Errorf("protect the socket: %w", err), l.Close())
	}
	return d.server(control.Local), l, nil
}

func (d *Daemon) server(who control.Who) *http.Server {
	return &http.Server{
		Handler:           control.Handler(control.Backend{Cluster: d, Modules: d, Views: d, Metrics: d.metricsHandler(), Nodes: d, Commands: d, Console: d, Sessions: d.sessions}, who, d.log),
		ReadHeaderTimeout: 10 * time.Second,
		IdleTimeout:       2 * time.Minute, // a connection costs memory, and a file of the daemon's
		ErrorLog:          slog.NewLogLogger(d.log.Handler(), slog.LevelDebug),
		BaseContext:       func(net.Listener) context.Context { return d.ctx },
	}
}

// Socket is the path of the local API's socket.
func Socket(home string) string { return filepath.Join(home, "orchestrator.sock") }

func (d *Daemon) path(parts ...string) string {
	return filepath.Join(append([]string{d.opt.Home}, parts...)...)
}

// note writes a journal entry and answers its number; 0 if it could not.
func (d *Daemon) note(kind, level, text string, data map[string]any, cause int64) int64 {
	return d.noteModule("", kind, level, text, data, cause)
}

func (d *Daemon) noteModule(module, kind, level, text string, data map[string]any, cause int64) int64 {
	id, err := d.journal.Append(journal.Entry{Module: module, Kind: kind, Level: level, Text: text, Data: data, Cause: cause})
	if err != nil {
		d.log.Error("write the journal", "error", err, "text", text)
	}
	return id
}

func (d *Daemon) pluginEvent(e pluginhost.Event) {
	level := "info"
	if e.State == pluginhost.Dead {
		level = "warn"
	}
	d.note("plugin", level, e.String(), nil, 0)
}

// current is the node's membership, nil if it has none.
func (d *Daemon) current() *member {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.member
}

// closers undo what was done, the last first.
type closers []struct {
	what string
	do   func() error
}

func (c *closers) add(what string, do func() error) {
	*c = append(*c, struct {
		what string
		do   func() error
	}{what, do})
}

func (c *closers) run() error {
	var all error
	for i := len(*c) - 1; i >= 0; i-- {
		if err := (*c)[i].do(); err != nil {
			all = errors.Join(all, fmt.Errorf("%s: %w", (*c)[i].what, err))
		}
	}
	*c = nil
	return all
}
