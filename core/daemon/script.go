package daemon

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	"github.com/orchestrator-ha/orchestrator/core"
	"github.com/orchestrator-ha/orchestrator/core/control"
)

// toolNames are the names under which scripts of SafeKit's modules call this
// program, in $SAFE and $SAFEBIN.
var toolNames = []string{"orchestrator", "safekit", "boundcmd", "xpathGet", "gencron", "firewallcfg"}

// windowsTools are further ones that only scripts on Windows know.
var windowsTools = []string{"sleep", "exitcode", "sync", "namealias", "netnames"}

// linkTools makes the folder that hooks know as SAFE and SAFEBIN: links to the
// program, which looks at the name it is called by.
func linkTools(dir, program string) error {
	if program == "" {
		return nil
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("make the folder of tools for hooks: %w", err)
	}
	names, end := append(slices.Clone(toolNames), filepath.Base(program)), ""
	if runtime.GOOS == "windows" {
		names, end = append(names, windowsTools...), ".exe"
	}
	for _, name := range names {
		path := filepath.Join(dir, strings.TrimSuffix(name, end)+end)
		if err := removeIf(path); err != nil {
			return fmt.Errorf("replace a tool for hooks: %w", err)
		}
		err := os.Symlink(program, path)
		if err != nil && runtime.GOOS == "windows" { // where it takes a privilege
			err = os.Link(program, path)
		}
		if err != nil {
			return fmt.Errorf("make a tool for hooks: %w", err)
		}
	}
	if runtime.GOOS == "windows" {
		return nil
	}
	for old, now := range oldFolders {
		path := filepath.Join(dir, old)
		err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), removeIf(path))
		if err == nil {
			err = os.Symlink(now, path)
		}
		if err != nil {
			return fmt.Errorf("make a folder for hooks: %w", err)
		}
	}
	return nil
}

// oldFolders are where scripts of SafeKit's modules find things below $SAFE, and where
// these are, as links say it.
var oldFolders = map[string]string{
	"private/bin":     "../../bin",
	"private/modules": "../../active",
	"modules":         "../modules",
}

// SetResource publishes a resource for a script.
func (d *Daemon) SetResource(_ context.Context, _, name string, r control.ResourceRequest) (control.Outcome, error) {
	if _, err := d.module(name); err != nil {
		return control.Outcome{}, err
	}
	if !slices.Contains([]core.Value{core.ResUp, core.ResDown, core.ResUnknown}, r.Value) {
		return control.Outcome{}, &control.Refusal{Kind: control.ErrInput, Text: fmt.Sprintf("a resource is up, down or unknown, not %q", r.Value)}
	}
	if err := (resources{d}).Set(name, r.Name, r.Value, r.Reason); err != nil {
		return control.Outcome{}, &control.Refusal{Kind: control.ErrInput, Text: err.Error()}
	}
	return control.Outcome{Text: fmt.Sprintf("%s of %s is %s", r.Name, name, r.Value)}, nil
}

// messageLimit is how much of a message the journal takes, in bytes.
const messageLimit = 4096

// Tell writes what a script says into the journal.
func (d *Daemon) Tell(_ context.Context, _, name string, r control.TellRequest) (control.Outcome, error) {
	if _, err := d.module(name); err != nil {
		return control.Outcome{}, err
	}
	text := strings.TrimSpace(r.Text)
	switch {
	case text == "":
		return control.Outcome{}, &control.Refusal{Kind: control.ErrInput, Text: "there is no text to write into the journal"}
	case !slices.Contains([]string{"", "info", "warn", "error"}, r.Level):
		return control.Outcome{}, &control.Refusal{Kind: control.ErrInput, Text: fmt.Sprintf("level %q is none of info, warn and error", r.Level)}
	case len(text) > messageLimit:
		text = strings.ToValidUTF8(text[:messageLimit], "") + "…"
	}
	d.noteModule(name, "message", r.Level, text, nil, 0)
	return control.Outcome{Text: "noted"}, nil
}
