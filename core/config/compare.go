package config

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/orchestrator-ha/orchestrator/core"
)

// Effect is what a change of a configuration does to a module that runs.
type Effect string

// From the least to the worst. Of an element or attribute in the schema that
// says nothing the one around it holds, and around all is EffectStopStart: what
// nobody has thought about does not change under a running application.
const (
	EffectNone      Effect = "none"      // nothing that anybody could notice
	EffectLive      Effect = "live"      // taken over while the module runs
	EffectCheck     Effect = "check"     // the check begins anew, all else goes on
	EffectStopStart Effect = "stopstart" // needs a stop and a start, on one node after the other
	EffectStop      Effect = "stop"      // nodes with the old and the new one must not run together: a stop on all of them, then a start
)

var effects = []Effect{EffectNone, EffectLive, EffectCheck, EffectStopStart, EffectStop}

// Worse says whether e asks for more than o.
func (e Effect) Worse(o Effect) bool { return slices.Index(effects, e) > slices.Index(effects, o) }

// Live says that a module goes on running over such a change.
func (e Effect) Live() bool { return !e.Worse(EffectCheck) }

// Change is one difference between two configurations of a module.
type Change struct {
	Path   string `json:"path"`          // service/check/tcp[web]/to/@port, bin/start_both.lua
	Old    string `json:"old,omitempty"` // empty: it was not there, or is a file
	New    string `json:"new,omitempty"` // empty: it is not there, or is a file
	Effect Effect `json:"effect"`
	Why    string `json:"why,omitempty"` // of an effect that does not follow from the path alone
}

// Changes are all differences, in the order of the language.
type Changes []Change

// Effect is the worst of all; EffectNone if there is no change.
func (c Changes) Effect() Effect {
	worst := EffectNone
	for _, one := range c {
		if one.Effect.Worse(worst) {
			worst = one.Effect
		}
	}
	return worst
}

// Compare tells what differs between two configurations of a module, and what
// each change does where the module runs. Both were parsed without an error.
func Compare(old, next *Module) Changes {
	c := &comparison{modes: []string{string(old.Mode), string(next.Mode)}}
	safe := Schema()
	c.many("", safe.child("macro"), EffectNone, old.doc, next.doc)
	service := safe.child("service")
	c.element(service.Name, service, EffectStopStart, old.doc.child(service), next.doc.child(service))
	if a, b := old.Rules.text(), next.Rules.text(); a != b {
		c.add(Change{Path: "service/failover", Old: a, New: b, Effect: EffectLive})
	}
	c.hooks(old, next)
	c.structure(old, next)
	return c.changes
}

// comparison is one in the making.
type comparison struct {
	modes   []string
	changes Changes
}

func (c *comparison) add(one Change) { c.changes = append(c.changes, one) }

// child is the only element of a kind in d, or a blank one.
func (d *document) child(e *Element) *document {
	if list := d.all(e.Name); len(list) > 0 {
		return list[0]
	}
	return blankDocument(e)
}

// element compares two of a kind; around is the effect that holds unless it says
// something else.
func (c *comparison) element(path string, e *Element, around Effect, a, b *document) {
	around = e.effect(around)
	for i := range e.Attributes {
		def := &e.Attributes[i]
		if was, is := a.values[def.Name], b.values[def.Name]; was != is {
			c.add(Change{Path: path + "/@" + def.Name, Old: was, New: is, Effect: c.attribute(def, around)})
		}
	}
	for i := range e.Children {
		ce := &e.Children[i]
		if ce.Once {
			c.element(path+"/"+ce.Name, ce, around, a.child(ce), b.child(ce))
		} else {
			c.many(path+"/", ce, around, a, b)
		}
	}
}

// many compares all elements of a kind in two others.
func (c *comparison) many(path string, e *Element, around Effect, a, b *document) {
	old, next := a.all(e.Name), b.all(e.Name)
	was, is := keys(e, old), keys(e, next)
	for i, key := range was {
		at := fmt.Sprintf("%s%s[%s]", path, e.Name, key)
		if j := slices.Index(is, key); j >= 0 {
			c.element(at, e, around, old[i], next[j])
		} else {
			c.add(Change{Path: at, Old: old[i].summary(e), Effect: e.effect(around)})
		}
	}
	for j, key := range is {
		if !slices.Contains(was, key) {
			c.add(Change{Path: fmt.Sprintf("%s%s[%s]", path, e.Name, key), New: next[j].summary(e), Effect: e.effect(around)})
		}
	}
}

// effect is that of an element in one with the effect around.
func (e *Element) effect(around Effect) Effect {
	switch {
	case e.Status == Ignored || around == EffectNone:
		return EffectNone
	case e.Effect != "":
		return e.Effect
	}
	return around
}

func (c *comparison) attribute(a *Attribute, around Effect) Effect {
	matters := len(a.Modes) == 0 || slices.ContainsFunc(a.Modes, func(m core.Mode) bool { return slices.Contains(c.modes, string(m)) })
	switch {
	case a.Status == Ignored || !matters || around == EffectNone:
		return EffectNone
	case a.Effect != "":
		return a.Effect
	}
	return around
}

// summary shows an element that came or went: what differs from the defaults, and
// what is in it.
func (d *document) summary(e *Element) string {
	blank := blankDocument(e)
	var parts []string
	for _, a := range e.Attributes {
		if v := d.values[a.Name]; v != blank.values[a.Name] {
			parts = append(parts, fmt.Sprintf("%s=%q", a.Name, v))
		}
	}
	text := "<" + strings.Join(append([]string{d.name}, parts...), " ") + ">"
	for i := range e.Children {
		for _, child := range d.all(e.Children[i].Name) {
			text += child.summary(&e.Children[i])
		}
	}
	return text
}

// text is all rules in one.
func (r FailoverRules) text() string {
	var all []string
	for _, t := range r.Texts {
		all = append(all, strings.TrimSpace(t.Text))
	}
	return strings.Join(all, "\n")
}

// hooks tells of hooks that run from now on, or do so no more; what is in their
// files CompareFiles tells. What the old hooks of a part have started they have to
// stop, and what a new one starts has to be started.
func (c *comparison) hooks(old, next *Module) {
	was, is := map[string]string{}, map[string]string{}
	for _, h := range old.Hooks {
		was[h.Name] = h.File
	}
	for _, h := range next.Hooks {
		is[h.Name] = h.File
	}
	names := maps.Clone(was)
	maps.Copy(names, is)
	for _, name := range slices.Sorted(maps.Keys(names)) {
		if was[name] == is[name] {
			continue
		}
		one := Change{Path: "hook " + name, Old: was[name], New: is[name], Effect: EffectLive}
		part := strings.HasPrefix(name, "start_") || strings.HasPrefix(name, "stop_")
		if part && (was[name] == "" || is[name] == "") {
			one.Effect, one.Why = EffectStopStart, "what the old hooks have started they have to stop"
		}
		c.add(one)
	}
}
