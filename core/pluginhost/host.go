package pluginhost

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/orchestrator-ha/orchestrator/sdk"
)

// ErrUnavailable is sdk.ErrUnavailable: the plugin's process is not running
// now, or died before it answered. The text says why and what happens next.
var ErrUnavailable = sdk.ErrUnavailable

// Options say what a host knows and whom it tells.
type Options struct {
	Plugins []Plugin

	// Dirs are where plugins lie that are programs of their own: those that are found
	// there are added to Plugins, whenever one is asked for that is not known. See Separate.
	Dirs []string

	// Log takes what the host and the plugins log; nil is slog.Default().
	Log *slog.Logger
	// Events is told what happens to plugin processes, one event at a time per
	// process. It must return soon. May be nil.
	Events func(Event)
	// RunDir is a directory of this host alone, for the plugins' sockets: what
	// an earlier host left there is removed. Empty is the system's directory
	// for temporary files. Keep it short: a socket's path has at most 107
	// bytes.
	RunDir string
	// Env is added to the environment of every plugin.
	Env []string
	// LogLevel is the least level that plugins log.
	LogLevel slog.Level
}

// Host runs plugins. Its methods may be called from any goroutine.
type Host struct {
	o     Options
	spawn *spawner
	pulse pulse

	ctx  context.Context
	stop context.CancelFunc
	wg   sync.WaitGroup

	mu       sync.Mutex
	table    []Plugin
	programs map[string]*program // by key of the plugin
	filters  map[string]*Filter
	schemas  map[string]*schema // by key
}

// New makes a host; it starts nothing yet. It fails if the table contradicts
// itself or RunDir cannot be used.
func New(o Options) (*Host, error) {
	if o.Log == nil {
		o.Log = slog.Default()
	}
	if o.Events == nil {
		o.Events = func(Event) {}
	}
	h := &Host{
		o: o, pulse: defaultPulse(), programs: map[string]*program{},
		filters: map[string]*Filter{}, schemas: map[string]*schema{},
	}
	h.ctx, h.stop = context.WithCancel(context.Background())
	if err := h.build(append(slices.Clone(o.Plugins), discover(o.Dirs, o.Plugins)...)); err != nil {
		return nil, err
	}
	if o.RunDir != "" {
		if err := clean(o.RunDir); err != nil {
			return nil, fmt.Errorf("prepare directory of plugin sockets: %w", err)
		}
	}
	h.spawn = newSpawner()
	return h, nil
}

// clean makes the run directory and removes the socket directories in it.
func clean(dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	old, err := filepath.Glob(filepath.Join(dir, "plugin-dir*"))
	if err != nil {
		return err
	}
	for _, d := range old {
		if err := os.RemoveAll(d); err != nil {
			return err
		}
	}
	return nil
}

// Close ends all plugin processes and returns when they are gone. Calls that
// wait for a plugin return ErrUnavailable; watches end.
func (h *Host) Close() {
	h.stop()
	h.wg.Wait()
	h.spawn.close()
}

// Describe starts the plugin if need be and tells how it presents itself.
func (h *Host) Describe(ctx context.Context, kind sdk.Kind, name string) (sdk.Description, error) {
	p, err := h.lookup(kind, name)
	if err != nil {
		return sdk.Description{}, err
	}
	s, err := p.wait(ctx, key(kind, name))
	if err != nil {
		return sdk.Description{}, err
	}
	return s.client.Description(kind, name)
}

// Info is a plugin as people see it.
type Info struct {
	Kind     sdk.Kind  `json:"kind"`
	Name     string    `json:"name"`
	Version  string    `json:"version,omitempty"` // empty until it was first started
	Summary  string    `json:"summary,omitempty"`
	State    State     `json:"state"`
	PID      int       `json:"pid,omitempty"` // for people; plugins of one program share it
	Restarts int       `json:"restarts"`
	Since    time.Time `json:"since"` // when State began
	// LastError says why it died last, or why it cannot work on this node.
	LastError string `json:"last_error,omitempty"`
}

// List shows all plugins of the table, in its order, and those that lie in the
// directories by now. It starts none.
func (h *Host) List() []Info {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.discoverLocked()
	out := make([]Info, 0, len(h.table))
	for _, p := range h.table {
		out = append(out, h.programs[key(p.Kind, p.Name)].info(p))
	}
	return out
}
