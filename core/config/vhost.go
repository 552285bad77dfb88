package config

import (
	"fmt"
	"net/netip"
	"slices"

	"github.com/orchestrator-ha/orchestrator/core"
	"github.com/orchestrator-ha/orchestrator/core/diag"
)

// maxHostname is the longest host name that Linux takes: HOST_NAME_MAX of gethostname(2).
const maxHostname = 64

// VirtualHost is a host name that the application sees.
type VirtualHost struct {
	Name    string
	EnvFile string // in bin/
	When    core.When
	Pos     diag.Position
}

// holds says whether the name holds while the node is in a state.
func (h VirtualHost) holds(state core.State) bool {
	switch state {
	case core.Prim, core.Alone:
		return h.When == core.WhenPrim || h.When == core.WhenBoth
	case core.Second:
		return h.When == core.WhenSecond || h.When == core.WhenBoth
	case core.Up:
		return h.When == core.WhenBoth
	}
	return false
}

// Hostname is the host name that programs see which hooks start while the node is in a
// state; empty: the machine's.
func (m *Module) Hostname(state core.State) string {
	for _, h := range m.VirtualHosts {
		if h.holds(state) {
			return h.Name
		}
	}
	return ""
}

// virtualHosts reads <vhost>.
func (p *parser) virtualHosts(n *node) []VirtualHost {
	if n != nil && p.options.system() == "windows" {
		p.errorf(idMode, n.at, "<vhost> is for Linux: Windows cannot give some of its programs another host name").Hint =
			"leave it out; clients reach the service by a name of DNS that leads to the virtual address"
		return nil
	}
	var out []VirtualHost
	names := p.unique("virtual host name")
	for _, h := range n.all("virtualhostname") {
		if v, ok := p.virtualHost(h); ok && names.add(h.values["name"]) && p.soleName(v, out, h) {
			out = append(out, v)
		}
	}
	return out
}

func (p *parser) virtualHost(n *node) (VirtualHost, bool) {
	name, file, when := n.values["name"], n.values["envfile"], n.values["when"]
	v := VirtualHost{name.text, file.text, core.When(when.text), p.position(n.at)}
	if v.When == core.WhenPrim && p.mode != core.Mirror {
		v.When = core.WhenBoth
	}
	_, err := netip.ParseAddr(name.text)
	switch {
	case !name.ok || !file.ok || when.set && !when.ok:
		return v, false
	case err == nil || len(name.text) > maxHostname:
		p.valueProblem(idName, name, fmt.Sprintf("%q is no host name that a machine can have", short(name.text))).Hint =
			fmt.Sprintf("write a name, of at most %d characters", maxHostname)
		return v, false
	case v.When == core.WhenSecond && p.mode != core.Mirror && p.mode != "":
		p.valueProblem(idMode, when, fmt.Sprintf(`"second" belongs to mode mirror, this module is of mode %s`, p.mode)).Hint = `use "both"`
		return v, false
	}
	return v, true
}

// soleName refuses two names for one role: a program sees one.
func (p *parser) soleName(v VirtualHost, others []VirtualHost, n *node) bool {
	i := slices.IndexFunc(others, func(o VirtualHost) bool {
		return o.When == v.When || o.When == core.WhenBoth || v.When == core.WhenBoth
	})
	if i < 0 {
		return true
	}
	problem := p.errorf(idDuplicate, n.at, "the host would be called %s and %s in the same role", others[i].Name, v.Name)
	problem.Hint = `give one when="prim" and the other when="second", or leave one out`
	if p.mode != core.Mirror {
		problem.Hint = "leave one out"
	}
	problem.Related = []diag.Related{{Message: "the other name is here", Pos: others[i].Pos, Source: p.src.Line(others[i].Pos.Line)}}
	return false
}
