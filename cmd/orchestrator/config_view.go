package main

import (
	"bytes"
	"cmp"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/orchestrator-ha/orchestrator/core/archive"
	"github.com/orchestrator-ha/orchestrator/core/control"
	"github.com/orchestrator-ha/orchestrator/modules"
)

// diff asks for the differences and shows them.
func (a *app) diff(cmd *cobra.Command, name string, query url.Values, body any) error {
	client, err := a.client()
	if err != nil {
		return err
	}
	var d control.Diff
	if err := client.Post(cmd.Context(), withQuery(modulePath(name)+"/diff", query), body, &d); err != nil {
		return err
	}
	if a.json {
		return a.printJSON(d)
	}
	d.Problems.Render(a.stderr, a.style(a.stderr))
	return a.showDiff(d)
}

// effectTones are the colours of effects, from harmless to grave.
var effectTones = map[string]string{"none": dim, "live": green, "check": green, "stopstart": yellow, "stop": red}

func (a *app) showDiff(d control.Diff) error {
	if len(d.Changes) == 0 {
		_, err := fmt.Fprintf(a.stdout, "Nothing changes in %s.\n", d.Module)
		return err
	}
	if err := a.showChanges(d.Changes); err != nil {
		return err
	}
	_, err := fmt.Fprintf(a.stdout, "\n%s\n", verdict(d))
	return err
}

func (a *app) showChanges(list []control.Change) error {
	t := table{heads: []string{"WHAT", "OLD", "NEW", "EFFECT", ""}}
	for _, c := range list {
		t.add(plain(c.Path), plain(excerpt(c.Old)), plain(excerpt(c.New)), tinted(c.Effect, effectTones[c.Effect]), plain(c.Why))
	}
	return t.write(a.stdout, a.color(a.stdout), 0)
}

// excerpt is a value in one line.
func excerpt(text string) string {
	if n := strings.Count(text, "\n"); n > 0 {
		return fmt.Sprintf("%d lines", n+1)
	}
	return cmp.Or(text, "-")
}

// verdict says in one sentence what the changes come to.
func verdict(d control.Diff) string {
	var where []string
	for _, r := range d.Running {
		where = append(where, r.Node)
	}
	switch on := strings.Join(where, ", "); {
	case on == "":
		return d.Module + " is stopped everywhere: nothing has to be."
	case d.Effect == "stopstart":
		return fmt.Sprintf("With --stopstart %s is stopped and started on %s, one after the other.", d.Module, on)
	case d.Stops:
		return fmt.Sprintf("With --stopstart %s is stopped on %s, all together, and started again: the service is interrupted.", d.Module, on)
	default:
		return fmt.Sprintf("Nothing stops: %s goes on on %s.", d.Module, on)
	}
}

func (a *app) showHistory(list []control.Version) error {
	t := table{heads: []string{"BACK", "VERSION", "SIGNATURE", "APPLIED", "BY", "SET"}}
	for _, v := range list {
		var set []string
		for _, name := range slices.Sorted(maps.Keys(v.Set)) {
			set = append(set, name+"="+v.Set[name])
		}
		back := fmt.Sprint(v.Back)
		if v.Back == 0 {
			back = "in use"
		}
		t.add(plain(back), plain(v.Version), plain(v.Signature), plain(v.Applied.Local().Format(time.DateTime)), plain(v.By), plain(strings.Join(set, " ")))
	}
	return t.write(a.stdout, a.color(a.stdout), width(a.stdout))
}

// anyBytes is the module as an archive, also of one that comes with the product.
func (s source) anyBytes() ([]byte, error) {
	if s.builtin == "" {
		return s.bytes()
	}
	files, _ := modules.Builtin(s.builtin)
	var b bytes.Buffer
	err := archive.Write(&b, files)
	return b.Bytes(), err
}
