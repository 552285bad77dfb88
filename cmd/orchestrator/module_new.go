package main

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/orchestrator-ha/orchestrator/core/config"
	"github.com/orchestrator-ha/orchestrator/modules"
)

// newReadme is the README of a new module: its name, what to set, its macros.
const newReadme = `# %[1]s.safe

What it does and what it needs, for whoever installs it.

    orchestrator module check %[1]s%[2]s
    orchestrator module package %[1]s %[1]s.safe
    orchestrator module install %[1]s.safe%[2]s
    orchestrator start %[1]s

| macro | default | meaning |
|---|---|---|
%[3]s`

// modes are those of the shipped modules that a new one can begin as.
var modes = []string{"farm", "mirror", "light"}

// exampleAddress is for documentation (RFC 5737).
const exampleAddress = "192.0.2.10"

func moduleNew(a *app) *cobra.Command {
	var mode string
	c := a.jsonFlag(&cobra.Command{
		Use: "new FOLDER", Short: "Begin a module of your own", Args: cobra.ExactArgs(1),
		Long: `Make a folder with a module that can be changed into one of your own. It can be
checked and installed as it is: it starts the services named in its macro SERVICES.

A farm is active on all servers behind one address. A mirror is active on one of two,
and the other takes over. A light module runs on the server where it is started, and
is restarted there.`,
		Example: `  orchestrator module new shop
  orchestrator module check shop --set VIRTUAL_IP=192.0.2.10
  orchestrator module new database --mode mirror
  orchestrator module new batch --mode light`,
	})
	c.Flags().StringVar(&mode, "mode", "farm", "what the module makes of its servers: "+strings.Join(modes, ", "))
	completeFlag(c, "mode", always(modes...))
	c.RunE = func(_ *cobra.Command, args []string) error {
		skeleton, ok := modules.Builtin(mode)
		if !ok || !slices.Contains(modes, mode) {
			return usagef("--mode %q is unknown: there are %s", mode, strings.Join(modes, ", "))
		}
		files, set, err := writeSkeleton(args[0], skeleton)
		if err != nil {
			return err
		}
		if a.json {
			return a.printJSON(map[string]any{"folder": args[0], "mode": mode, "files": files})
		}
		_, err = fmt.Fprintf(a.stdout, "%s has:\n  %s\n\nEdit them, then: orchestrator module check %s%s\n",
			args[0], strings.Join(files, "\n  "), args[0], set)
		return err
	}
	return c
}

// writeSkeleton makes the folder of a new module and answers its files, and what has to
// be set.
func writeSkeleton(folder string, skeleton fs.FS) (files []string, set string, err error) {
	abs, err := filepath.Abs(folder)
	if err != nil {
		return nil, "", fmt.Errorf("find the folder: %w", err)
	}
	name := filepath.Base(abs)
	if err := config.ValidName(name); err != nil {
		return nil, "", err
	}
	if there, err := os.ReadDir(folder); err == nil && len(there) > 0 {
		return nil, "", fmt.Errorf("%s is not empty: name a new folder", folder)
	} else if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, "", fmt.Errorf("look at the folder: %w", err)
	}
	if err := os.CopyFS(folder, skeleton); err != nil {
		return nil, "", fmt.Errorf("write the module: %w", err)
	}
	m, problems := config.Parse(skeleton, name, config.Options{})
	if m == nil { // most have an address that must be set
		m, problems = config.Parse(skeleton, name, config.Options{Set: map[string]string{"VIRTUAL_IP": exampleAddress}})
	}
	if m == nil {
		return nil, "", problems
	}
	var rows strings.Builder
	for _, one := range m.Macros {
		value := cmp.Or(one.Value, "none")
		if one.Value == exampleAddress {
			value, set = "must be set", " --set "+one.Name+"="+exampleAddress
		}
		fmt.Fprintf(&rows, "| %s | %s | %s |\n", one.Name, value, one.Doc)
	}
	if err := os.WriteFile(filepath.Join(folder, "README.md"), fmt.Appendf(nil, newReadme, name, set, rows.String()), 0o644); err != nil {
		return nil, "", fmt.Errorf("write the module: %w", err)
	}
	err = fs.WalkDir(skeleton, ".", func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			files = append(files, path)
		}
		return err
	})
	return files, set, err
}
