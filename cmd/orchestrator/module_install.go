package main

import (
	"bytes"
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/orchestrator-ha/orchestrator/core/archive"
	"github.com/orchestrator-ha/orchestrator/core/control"
	"github.com/orchestrator-ha/orchestrator/modules"
)

func moduleInstall(a *app) *cobra.Command {
	var name string
	var stopstart bool
	c := a.jsonFlag(&cobra.Command{
		Use: "install FILE|FOLDER|NAME", Short: "Install a module on all servers", Args: cobra.ExactArgs(1), ValidArgsFunction: completeSource,
		Long: `Install a module on all servers of the cluster: from an archive, from a folder, or
one that comes with the product, by its name. The module is checked first; if it
has mistakes nothing is changed. A module of the same name is replaced, also while it
runs if what differs can change without a stop ("orchestrator config diff" tells).

Macros of the module, such as VIRTUAL_IP, get their values from --set. Which there
are is told by "orchestrator module check".

With the product come ` + strings.Join(modules.Names(), ", ") + `.`,
		Example: `  orchestrator module install nginx_farm.safe --set VIRTUAL_IP=192.0.2.10
  orchestrator module install ./shop.safe --name shop_test --set VIRTUAL_IP=192.0.2.11 --set PORT=8080`,
	})
	given := setFlag(c)
	c.Flags().BoolVar(&stopstart, "stopstart", false, "stop and start a module that is replaced, if something needs that")
	c.Flags().StringVar(&name, "name", "", "`NAME` of the module in the cluster (default that of the archive)")
	c.RunE = func(cmd *cobra.Command, args []string) error {
		set, err := settings(*given)
		if err != nil {
			return err
		}
		from, err := findSource(args[0])
		if err != nil {
			return err
		}
		if name != "" {
			from.name = name
		}
		return a.install(cmd, from, set, stopstart)
	}
	return c
}

func (a *app) install(cmd *cobra.Command, from source, set map[string]string, stopstart bool) error {
	client, err := a.client()
	if err != nil {
		return err
	}
	query := setQuery(set)
	if stopstart {
		query.Set("stopstart", "true")
	}
	var body any
	if from.builtin != "" {
		query.Set("builtin", from.builtin)
	} else if body, err = from.bytes(); err != nil {
		return err
	}
	var out control.Outcome
	if err := client.Post(cmd.Context(), withQuery(modulePath(from.name), query), body, &out); err != nil {
		return err
	}
	if err := a.outcome(out); err != nil || a.json {
		return err
	}
	if out.Next != "" {
		_, err = fmt.Fprintln(a.stdout, out.Next)
	}
	return err
}

// bytes is the module as an archive.
func (s source) bytes() ([]byte, error) {
	if s.folder != "" {
		var b bytes.Buffer
		if err := archive.Write(&b, os.DirFS(s.folder)); err != nil {
			return nil, fmt.Errorf("pack %s: %w", s.folder, err)
		}
		return b.Bytes(), nil
	}
	info, err := os.Stat(s.file)
	if err != nil {
		return nil, fmt.Errorf("look at the archive: %w", err)
	}
	if info.Size() > maxArchive {
		return nil, fmt.Errorf("%s is larger than %d MiB", s.file, maxArchive>>20)
	}
	raw, err := os.ReadFile(s.file)
	if err != nil {
		return nil, fmt.Errorf("read the archive: %w", err)
	}
	return raw, nil
}
