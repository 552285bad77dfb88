package pluginhost

import (
	"fmt"
	"strings"

	"github.com/orchestrator-ha/orchestrator/sdk"
)

// Plugin is a line in the table of known plugins.
type Plugin struct {
	Kind    sdk.Kind
	Name    string
	Program Program
}

// Program says how to start a plugin. Plugins with equal programs share one
// process.
type Program struct {
	Path   string // executable; empty is this binary
	Args   string // arguments, separated by blanks, e.g. "plugin serve checker"
	SHA256 string // of the file, hexadecimal; must be given when Path is

	// Separate is the name of an executable in one of Options.Dirs, instead of Path; see
	// Separate.
	Separate string
}

// key is how people name a plugin: checker/tcp.
func key(kind sdk.Kind, name string) string { return string(kind) + "/" + name }

// build makes the programs of a table, by key of their plugins.
func (h *Host) build(table []Plugin) error {
	byProgram := map[Program]*program{}
	for _, p := range table {
		k := key(p.Kind, p.Name)
		if _, dup := h.programs[k]; dup {
			return fmt.Errorf("plugin %s is in the table twice; give one of them another name", k)
		}
		if p.Program.Path != "" && p.Program.SHA256 == "" {
			return fmt.Errorf("plugin %s: no checksum for %s; pin it with the file's SHA-256", k, p.Program.Path)
		}
		prog := byProgram[p.Program]
		if prog == nil {
			prog = newProgram(h, p.Program)
			byProgram[p.Program] = prog
		}
		prog.plugins = append(prog.plugins, k)
		h.programs[k] = prog
		h.table = append(h.table, p)
	}
	return nil
}

// lookup finds the program of a plugin, perhaps one that was copied in meanwhile.
func (h *Host) lookup(kind sdk.Kind, name string) (*program, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.programs[key(kind, name)] == nil {
		h.discoverLocked()
	}
	if p := h.programs[key(kind, name)]; p != nil {
		return p, nil
	}
	var known []string
	for _, p := range h.table {
		if p.Kind == kind {
			known = append(known, p.Name)
		}
	}
	err := fmt.Errorf("no %s plugin is called %q; known are: %s", kind, name, strings.Join(known, ", "))
	if len(h.o.Dirs) > 0 && kind != sdk.KindFilter {
		err = fmt.Errorf("%w; another one belongs in %s as %s", err, strings.Join(h.o.Dirs, " or "), Separate(kind, name).Program.Separate)
	}
	return nil, err
}

// discoverLocked adds the separate plugins that came into the directories since they
// were last looked at.
func (h *Host) discoverLocked() {
	if err := h.build(discover(h.o.Dirs, h.table)); err != nil {
		h.o.Log.Warn("look for plugins", "error", err)
	}
}
