package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/orchestrator-ha/orchestrator/core/archive"
	"github.com/orchestrator-ha/orchestrator/modules"
)

func modulePackage(a *app) *cobra.Command {
	c := a.jsonFlag(&cobra.Command{
		Use: "package FOLDER|NAME [FILE]", Short: "Pack a module into an archive", Args: cobra.RangeArgs(1, 2),
		Long: `Pack the folder of a module, or the edited copy of an installed one, into an archive
(default NAME.safe in the current folder). The same files give the same bytes. A
folder needs no daemon; it is not checked: "orchestrator module check" does that.`,
		Example: `  orchestrator module package shop shop.safe
  orchestrator module package web_farm /tmp/web_farm.safe`,
		ValidArgsFunction: a.completePackage,
	})
	c.RunE = func(cmd *cobra.Command, args []string) error {
		name := moduleName(args[0])
		if abs, err := filepath.Abs(args[0]); err == nil {
			name = moduleName(abs) // of "."
		}
		file := name + ".safe"
		if len(args) > 1 {
			file = args[1]
		}
		info, err := os.Stat(args[0])
		switch {
		case err == nil && info.IsDir():
			err = archive.Pack(file, os.DirFS(args[0]))
		case err == nil:
			err = fmt.Errorf("%s is a file: give a module's folder, or the name of an installed module", args[0])
		case errors.Is(err, fs.ErrNotExist):
			err = a.fetchPackage(cmd, args[0], file)
		}
		if err != nil {
			return err
		}
		return a.packed(name, file)
	}
	return c
}

func (a *app) completePackage(c *cobra.Command, args []string, word string) ([]string, cobra.ShellCompDirective) {
	names, _ := a.completeModule(c, args, word)
	return names, cobra.ShellCompDirectiveDefault
}

// fetchPackage asks the daemon for an installed module's archive.
func (a *app) fetchPackage(cmd *cobra.Command, name, file string) error {
	client, err := a.client()
	if err != nil {
		return err
	}
	raw, err := client.Raw(cmd.Context(), modulePath(name)+"/package")
	if noDaemon(err) {
		return fmt.Errorf("there is no folder %s, and installed modules cannot be asked for: %w", name, err)
	}
	if err != nil {
		return err
	}
	if err := os.WriteFile(file, raw, 0o644); err != nil {
		return fmt.Errorf("write the archive: %w", err)
	}
	return nil
}

func (a *app) packed(name, file string) error {
	files, err := archive.Open(file, archive.DefaultLimits())
	if err != nil {
		return err
	}
	signature, err := archive.Signature(files)
	if err != nil {
		return err
	}
	if a.json {
		return a.printJSON(struct {
			Module    string `json:"module"`
			File      string `json:"file"`
			Signature string `json:"signature"`
		}{name, file, signature})
	}
	_, err = fmt.Fprintf(a.stdout, "%s written (%s)\n", file, signature[:12])
	return err
}

// moduleArchives writes the archives of a release; the Makefile calls it.
func moduleArchives(a *app) *cobra.Command {
	return &cobra.Command{
		Use: "archives FOLDER", Short: "Write the shipped modules as archives", Hidden: true, Args: cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			if err := os.MkdirAll(args[0], 0o755); err != nil {
				return fmt.Errorf("make the folder: %w", err)
			}
			for _, name := range modules.Names() {
				files, ok := modules.Builtin(name)
				if !ok {
					return fmt.Errorf("the program has no module %s", name)
				}
				file := filepath.Join(args[0], name+".safe")
				if err := archive.Pack(file, files); err != nil {
					return err
				}
				if err := a.packed(name, file); err != nil {
					return err
				}
			}
			return nil
		},
	}
}
