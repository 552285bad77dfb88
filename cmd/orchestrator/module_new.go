package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/orchestrator-ha/orchestrator/core/config"
	"github.com/orchestrator-ha/orchestrator/modules"
)

// newReadme is the README of a new module; NAME stands for its name.
const newReadme = `# NAME.safe

What it does and what it needs, for whoever installs it.

    orchestrator module check NAME --set VIRTUAL_IP=192.0.2.10
    orchestrator module package NAME NAME.safe
    orchestrator module install NAME.safe --set VIRTUAL_IP=192.0.2.10
    orchestrator start NAME

| macro | default | meaning |
|---|---|---|
| VIRTUAL_IP | must be set | the address that clients use; on the servers' network, used by no machine |
| PORT | 80 | the port that clients use |
| FILTER | on_port | on_port spreads connections, on_addr keeps a client on one server |
| SERVICES | none | systemd units or Windows services to start and stop, separated by commas |
`

func moduleNew(a *app) *cobra.Command {
	var mode string
	c := a.jsonFlag(&cobra.Command{
		Use: "new FOLDER", Short: "Begin a module of your own", Args: cobra.ExactArgs(1),
		Long: `Make a folder with a module that can be changed into one of your own. It can be
checked and installed as it is: it starts the services named in its macro SERVICES.`,
		Example: `  orchestrator module new shop
  orchestrator module check shop --set VIRTUAL_IP=192.0.2.10`,
	})
	c.Flags().StringVar(&mode, "mode", "farm", "what the module makes of its servers: farm")
	c.RunE = func(_ *cobra.Command, args []string) error {
		switch mode {
		case "farm":
		case "mirror", "light":
			return fmt.Errorf("modules of mode %s are not supported yet: there is farm", mode)
		default:
			return usagef("--mode %q is unknown: there is farm", mode)
		}
		files, err := writeSkeleton(args[0])
		if err != nil {
			return err
		}
		if a.json {
			return a.printJSON(map[string]any{"folder": args[0], "mode": mode, "files": files})
		}
		_, err = fmt.Fprintf(a.stdout, "%s has:\n  %s\n\nEdit them, then: orchestrator module check %s --set VIRTUAL_IP=192.0.2.10\n",
			args[0], strings.Join(files, "\n  "), args[0])
		return err
	}
	return c
}

// writeSkeleton makes the folder of a new module and answers its files.
func writeSkeleton(folder string) ([]string, error) {
	abs, err := filepath.Abs(folder)
	if err != nil {
		return nil, fmt.Errorf("find the folder: %w", err)
	}
	name := filepath.Base(abs)
	if err := config.ValidName(name); err != nil {
		return nil, err
	}
	if there, err := os.ReadDir(folder); err == nil && len(there) > 0 {
		return nil, fmt.Errorf("%s is not empty: name a new folder", folder)
	} else if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("look at the folder: %w", err)
	}
	skeleton, ok := modules.Builtin("farm")
	if !ok {
		return nil, errors.New("the program has no module farm")
	}
	if err := os.CopyFS(folder, skeleton); err != nil {
		return nil, fmt.Errorf("write the module: %w", err)
	}
	readme := strings.ReplaceAll(newReadme, "NAME", name)
	if err := os.WriteFile(filepath.Join(folder, "README.md"), []byte(readme), 0o644); err != nil {
		return nil, fmt.Errorf("write the module: %w", err)
	}
	var files []string
	err = fs.WalkDir(skeleton, ".", func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			files = append(files, path)
		}
		return err
	})
	return files, err
}
