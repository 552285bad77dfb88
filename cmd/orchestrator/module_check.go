package main

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/orchestrator-ha/orchestrator/core/archive"
	"github.com/orchestrator-ha/orchestrator/core/config"
	"github.com/orchestrator-ha/orchestrator/core/daemon"
	"github.com/orchestrator-ha/orchestrator/core/diag"
	"github.com/orchestrator-ha/orchestrator/core/hook"
)

func moduleCheck(a *app) *cobra.Command {
	c := a.jsonFlag(&cobra.Command{
		Use: "check FILE|FOLDER|NAME", Short: "Look for mistakes in a module", Args: cobra.ExactArgs(1), ValidArgsFunction: a.completeKnown,
		Long: `Look for mistakes in a module: in its userconfig.xml and in its hooks. All of them
are shown, each with its place and what would be right; docs/problems.md explains
them. It needs neither root nor a daemon nor a network.

NAME is a module that is installed here, of which the copy is checked that may be edited,
with the values that were set; or one that comes with the product.`,
		Example: `  orchestrator module check shop --set VIRTUAL_IP=192.0.2.10
  orchestrator module check web_farm
  orchestrator module check nginx_farm.safe --set VIRTUAL_IP=192.0.2.10 --json`,
	})
	given := setFlag(c)
	c.RunE = func(_ *cobra.Command, args []string) error {
		set, err := settings(*given)
		if err != nil {
			return err
		}
		from, set, _, err := a.sourceOf(args[0], copyToEdit, set)
		if err != nil {
			return err
		}
		return a.check(from, set)
	}
	return c
}

// report is what a check found.
type report struct {
	Module    string        `json:"module"`
	OK        bool          `json:"ok"`
	Signature string        `json:"signature,omitempty"`
	Mode      string        `json:"mode,omitempty"`
	Addresses []string      `json:"addresses,omitempty"`
	Hooks     []string      `json:"hooks,omitempty"`
	Macros    []macro       `json:"macros,omitempty"`
	Problems  diag.Problems `json:"problems"`
}

type macro struct {
	Name   string `json:"name"`
	Value  string `json:"value"`
	Origin string `json:"origin"`
	Doc    string `json:"doc,omitempty"`
}

func (a *app) check(from source, set map[string]string) error {
	r := report{Module: from.name, Problems: diag.Problems{}}
	files, err := from.open()
	if errors.As(err, &r.Problems) {
		return a.showReport(r, nil)
	}
	if err != nil {
		return err
	}
	if err := config.ValidName(from.name); err != nil {
		return fmt.Errorf("%w; the name of the file or folder is that of the module", err)
	}
	home, err := a.homeDir()
	if err != nil {
		return err
	}
	program, err := os.Executable()
	if err != nil {
		return fmt.Errorf("find the program's own file: %w", err)
	}
	m, problems := config.Parse(files, from.name, config.Options{
		Set: set, Env: a.lookup, CheckHook: hook.CheckSyntax, CheckRules: daemon.CheckRules, Path: from.where(), Checker: daemon.MissingChecker(builtinPlugins(), program, home),
	})
	r.Problems = append(r.Problems, problems...)
	if m == nil {
		return a.showReport(r, nil)
	}
	r.Problems = append(r.Problems, daemon.UnknownResources(m)...)
	r.OK, r.Mode = true, string(m.Mode)
	if r.Signature, err = archive.Signature(files); err != nil {
		return err
	}
	for _, address := range m.Addresses() {
		r.Addresses = append(r.Addresses, address.Addr.String())
	}
	for _, h := range m.Hooks {
		r.Hooks = append(r.Hooks, h.Name)
	}
	for _, one := range m.Macros {
		r.Macros = append(r.Macros, macro{one.Name, one.Value, string(one.Origin), one.Doc})
	}
	return a.showReport(r, m)
}

// showReport prints what was found; it fails, silently, when the module is
// refused.
func (a *app) showReport(r report, m *config.Module) error {
	if a.json {
		if err := a.printJSON(r); err != nil {
			return err
		}
	} else {
		r.Problems.Render(a.stderr, a.style(a.stderr))
	}
	if r.OK {
		if a.json {
			return nil
		}
		return a.describe(r, m)
	}
	if !a.json {
		fmt.Fprintf(a.stderr, "\norchestrator: %s has %s\n", r.Module, count(r.Problems))
	}
	return silent(exitFailed)
}

func count(problems diag.Problems) string {
	n := 0
	for _, p := range problems {
		if p.Severity == diag.Error {
			n++
		}
	}
	if n == 1 {
		return "one mistake"
	}
	return fmt.Sprintf("%d mistakes", n)
}

func (a *app) describe(r report, m *config.Module) error {
	fmt.Fprintf(a.stdout, "%s is in order: a %s module", r.Module, r.Mode)
	if len(r.Addresses) > 0 {
		fmt.Fprintf(a.stdout, " at %s", strings.Join(r.Addresses, ", "))
	}
	fmt.Fprintf(a.stdout, "\n  hooks: %s\n  checks: %s\n", cmp.Or(strings.Join(r.Hooks, ", "), "none"), cmp.Or(strings.Join(checksOf(m), ", "), "none"))
	if len(r.Macros) == 0 {
		return nil
	}
	fmt.Fprintln(a.stdout)
	t := table{heads: []string{"MACRO", "VALUE", "FROM", "MEANING"}}
	for _, one := range r.Macros {
		t.add(plain(one.Name), plain(cmp.Or(one.Value, `""`)), plain(one.Origin), plain(one.Doc))
	}
	return t.write(a.stdout, a.color(a.stdout), width(a.stdout))
}

func checksOf(m *config.Module) []string {
	var names []string
	for _, c := range m.Checks() {
		names = append(names, c.Resource)
	}
	return names
}
