package config

import (
	"fmt"
	"slices"

	"github.com/orchestrator-ha/orchestrator/core"
	"github.com/orchestrator-ha/orchestrator/core/diag"
)

// all are the children of that name that were looked into; nil nodes are
// allowed so that calls can be chained.
func (n *node) all(name string) []*node {
	if n == nil {
		return nil
	}
	var out []*node
	for _, c := range n.children {
		if c.name == name && c.values != nil {
			out = append(out, c)
		}
	}
	return out
}

// one is the first child of that name, nil if there is none.
func (n *node) one(name string) *node {
	if found := n.all(name); len(found) > 0 {
		return found[0]
	}
	return nil
}

// build makes the module and checks what one element alone cannot tell. It
// goes on after problems, to find them all.
func (p *parser) build(root *node, hooks []Hook) *Module {
	m := &Module{Name: p.name, Mode: p.mode, Failover: true, DefaultPrim: "alone", User: User{Vars: map[string]string{}}}
	s := root.one("service")
	if s != nil {
		m.Pos = p.position(s.at)
		m.Boot = s.values["boot"].text
		m.BootDelay = s.values["boot_delay"].span
		m.MaxLoop = int(s.values["maxloop"].number)
		m.LoopInterval = s.values["loop_interval"].span
		m.AutomaticReboot = s.values["automatic_reboot"].text == "on"
		m.Failover, m.DefaultPrim = s.values["failover"].text != "off", s.values["defaultprim"].text
	}
	m.Heart, m.Farm = p.heart(s.one("heart")), p.farm(s.one("farm"))
	m.Interfaces = p.interfaces(s.one("vip"))
	if vip := s.one("vip"); vip != nil && p.mode == core.Farm {
		m.Farm.Scripts = vip.values["scriptcontrol"].text == "on"
	}
	m.Groups = p.groups(s.one("vip").one("loadbalancing_list"), m.Addresses())
	m.Rfs = p.rfs(s.one("rfs"))
	m.VirtualHosts = p.virtualHosts(s.one("vhost"))
	p.checks(m, s.one("check"))
	p.links(m, s.one("vip"))
	m.Procs = p.procs(s)
	m.Rules = p.failover(s.one("failover"))
	p.user(m, s.one("user"), hooks)
	m.Macros = p.macros.list()
	m.doc = root.document(p.schema)
	p.covered(m)
	p.shadowed(m)
	m.expanded = p.expanded(root)
	return m
}

func (p *parser) position(at span) diag.Position { return p.src.Position(at.from, at.to) }

// user reads how hooks run. Without <user> none does, as in SafeKit.
func (p *parser) user(m *Module, n *node, hooks []Hook) {
	if n == nil {
		if len(hooks) > 0 {
			p.report(diag.Warning, idHooksUnused, span{}, fmt.Sprintf("%s will not run: there is no <user>", hooks[0].File)).Hint =
				"add <user/> to run the hooks in bin/"
		}
		n = p.blank(nil, userElement())
		hooks = nil
	}
	p.uncalled(hooks)
	m.Hooks = hooks
	m.User.StartTimeout = n.values["starttimeout"].span
	m.User.NiceTimeout = n.values["nicestoptimeout"].span
	m.User.ForceTimeout = n.values["forcestoptimeout"].span
	names := p.unique("var")
	for _, v := range n.all("var") {
		if names.add(v.values["name"]) {
			m.User.Vars[v.values["name"].text] = v.values["value"].text
		}
	}
}

// unique finds names that are given twice.
type unique struct {
	*parser
	what string
	at   map[string]span
}

func (p *parser) unique(what string) *unique {
	return &unique{parser: p, what: what, at: map[string]span{}}
}

// add says whether the name is usable and new.
func (u *unique) add(v value) bool {
	if !v.ok {
		return false
	}
	if first, twice := u.at[v.text]; twice {
		problem := u.valueProblem(idDuplicate, v, fmt.Sprintf("%s %q is there twice", u.what, short(v.text)))
		problem.Related = append(problem.Related, u.related(first, "first here"))
		return false
	}
	u.at[v.text] = v.at
	return true
}

// covered warns of virtual addresses to which no traffic is let in.
func (p *parser) covered(m *Module) {
	if m.Mode != core.Farm || p.problems.Refused() {
		return // a rule that is refused would be missed here too
	}
	for _, a := range m.Addresses() {
		if slices.ContainsFunc(m.Groups, func(g Group) bool {
			return slices.ContainsFunc(g.Rules, func(r Rule) bool {
				return r.Proto != "arp" && (!r.Address.IsValid() || r.Address == a.Addr)
			})
		}) {
			continue
		}
		source := p.src.Line(a.Pos.Line)
		p.problems = append(p.problems, diag.Problem{ID: idNoRule, Severity: diag.Warning, Pos: a.Pos, Source: source,
			Message: fmt.Sprintf("no rule shares traffic to %s, so none is let in", a.Addr),
			Hint:    `add a <rule port="80" proto="tcp" filter="on_port"/> to a <group> in <loadbalancing_list>`})
	}
}

// CheckAgainst compares a module with the others of the cluster: a virtual
// address can belong to one module only. A module of the same name is left
// out: it is the one that is being replaced.
func CheckAgainst(m *Module, others []*Module) diag.Problems {
	var out diag.Problems
	for _, a := range m.Addresses() {
		for _, o := range others {
			if o.Name == m.Name {
				continue
			}
			for _, b := range o.Addresses() {
				if a.Addr == b.Addr {
					out = append(out, diag.Problem{ID: idConflict, Severity: diag.Error, Pos: a.Pos,
						Message: fmt.Sprintf("address %s belongs to module %s already", a.Addr, o.Name),
						Hint:    "give each module addresses of its own",
						Related: []diag.Related{{Message: "it is given there", Pos: b.Pos}}})
				}
			}
		}
	}
	for _, o := range others {
		if o.Name != m.Name {
			out = append(out, folderConflicts(m, o)...)
		}
	}
	out.Sort()
	return out
}
