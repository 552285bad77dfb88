package config

import (
	"fmt"

	"github.com/orchestrator-ha/orchestrator/core"
)

func errdElement() Element {
	return live(Element{Name: "errd", Status: Used, Once: true, Effect: EffectCheck, Doc: "Watches processes and services; needs <user>.",
		Attributes: []Attribute{
			{Name: "polltimer", Kind: KindDuration, Unit: "s", Grain: "ms", Default: "30s", Min: 1, Status: Used, Doc: "How often the process list is read, or systemd asked, as a safety net: that a process starts or ends, or a service changes, is seen at once where the system tells of it."},
		},
		Children: []Element{{Name: "proc", Status: Used, Key: []string{"name"}, Doc: "A process or service that must run.",
			Attributes: []Attribute{
				{Name: "name", Kind: KindText, Required: true, Status: Used, Doc: "Name of the program, or of the service; the resource is proc.NAME."},
				{Name: "service", Kind: KindChoice, Values: []string{"yes", "no"}, Default: "no", Status: Used, Doc: "Whether it is a systemd unit or Windows service."},
				{Name: "nameregex", Kind: KindRegex, Empty: true, Status: Used, Doc: "Regular expression for the program's name, instead of name."},
				{Name: "argregex", Kind: KindRegex, Empty: true, Status: Used, Doc: "Regular expression that the command line must match too."},
				{Name: "class", Kind: KindName, Default: "both", Status: Used,
					Doc: "When it must run: both, prim (in a farm the same), second, sec (secondary or alone), pre; or a name of your own: while a hook has switched it on with safekit errd enable NAME."},
				{Name: "action", Kind: KindText, Default: "stopstart", Status: Used,
					Doc: "What its failure does: restart, stopstart, stop, noaction; with class pre wait or noaction; or a program in bin/ that brings it back, with a class of your own: it is called again each polltimer while that has not helped, and when it ends with a code other than 0 the module is stopped and started."},
				{Name: "restart_services", Kind: KindText, Empty: true, Status: Used, Doc: "Services, with commas between, that a restart is about: hooks get -Services \"a, b\" after their other arguments, those in Lua ctx.services. Needs service=\"yes\" and action=\"restart\"."},
				{Name: "start_after", Kind: KindNumber, Min: 0, Max: 100000, Default: "0", Status: Used, Doc: "Polls to let pass after the start before the first judgement."},
				{Name: "atleast", Kind: KindNumber, Min: -1, Max: 100000, Default: "1", Status: Used, Doc: "Fewest processes; -1 for no limit."},
				{Name: "atmax", Kind: KindNumber, Min: -1, Max: 100000, Default: "-1", Status: Used, Doc: "Most processes; -1 for no limit."},
			}}}})
}

// Times of a checker's life, for its attribute when.
var (
	anyTime   = []string{"pre", "prim", "second", "both"}
	beforeAll = []string{"pre"}
	running   = []string{"prim", "both"}
)

func checkElement() Element {
	e := Element{Name: "check", Status: Used, Once: true, Effect: EffectCheck, Doc: "Checkers: each publishes a resource that the module depends on."}
	for _, k := range checkerKinds() {
		e.Children = append(e.Children, k.Element)
	}
	return live(e)
}

// newChecker is a kind with the attributes that all have. def is when it runs, action
// what its failure does, if nothing else is said.
func newChecker(name, doc string, when []string, def string, action core.Verb, to Element, more ...Attribute) checkerKind {
	e := Element{Name: name, Status: Used, Key: []string{"ident"}, Doc: doc, Attributes: append([]Attribute{
		{Name: "ident", Kind: KindName, Required: true, Status: Used, Doc: "Name of the resource."},
		{Name: "when", Kind: KindChoice, Values: when, Default: def, Status: Used,
			Doc: "When it runs: pre: from prestart on, whatever the application does; both: while the application runs; prim, second: while it does in that role, in a farm prim is the same as both."},
		{Name: "action", Kind: KindChoice, Values: []string{"restart", "stopstart", "stop", "wait", "noaction"}, Status: Used, Doc: actionDoc(when, action)},
	}, more...)}
	if to.Name != "" {
		e.Children = []Element{to}
	}
	return checkerKind{Element: e, action: action}
}

// actionDoc explains what the failure of a checker does.
func actionDoc(when []string, def core.Verb) string {
	text := fmt.Sprintf("What its failure does. Default: %s", def)
	if len(when) == 1 || when[0] != "pre" {
		return text + "."
	}
	if def != core.VerbNone && def != core.VerbWait {
		text += `; with when="pre": wait`
	}
	return text + ". With pre only wait and noaction are possible, otherwise all but wait."
}

// where is the address that many ask.
var where = Attribute{Name: "addr", Kind: KindHost, Required: true, Status: Used, Doc: "Address. A name is looked up each time."}

// target is what a checker asks.
func target(attributes ...Attribute) Element {
	return Element{Name: "to", Status: Used, Required: true, Once: true, Doc: "What is checked.", Attributes: attributes}
}

// to is a target with how often and how patiently it is asked.
func to(every, wait string, attributes ...Attribute) Element {
	return target(append(attributes, interval(every), patience(wait))...)
}

func interval(def string) Attribute {
	return Attribute{Name: "interval", Kind: KindDuration, Unit: "s", Grain: "ms", Default: def, Min: 10, Status: Used, Doc: "How often it is asked."}
}

func patience(def string) Attribute {
	return Attribute{Name: "timeout", Kind: KindDuration, Unit: "s", Grain: "ms", Default: def, Min: 10, Status: Used, Doc: "How long an answer may take."}
}
