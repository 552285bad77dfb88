package config

import "github.com/orchestrator-ha/orchestrator/core"

// Status says what this version does with an element or attribute.
type Status string

const (
	Used    Status = "used"    // acted on
	Ignored Status = "ignored" // accepted without effect; Why tells the reason
)

// Kind is the type of an attribute's value.
type Kind string

const (
	KindText      Kind = "text"            // anything
	KindName      Kind = "name"            // letters, digits, _ - .
	KindNumber    Kind = "number"          // Min to Max
	KindDuration  Kind = "duration"        // a number with d h m s ms us; a bare number is in Unit
	KindChoice    Kind = "choice"          // one of Values
	KindAddress   Kind = "address"         // IPv4 or IPv6
	KindAddresses Kind = "addresses"       // some of them, with spaces between
	KindHost      Kind = "host"            // an address, or a name of DNS
	KindResolved  Kind = "address-or-name" // likewise, but the name is looked up when the configuration is applied
	KindPort      Kind = "port"            // 1 to 65535
	KindNetmask   Kind = "netmask"         // 255.255.255.0 or 24
	KindRegex     Kind = "regex"           // regular expression
	KindTimes     Kind = "times"           // moments, as a crontab says them
	KindMAC       Kind = "mac"             // Ethernet address of one machine
	KindFolder    Kind = "folder"          // absolute path, of Linux or Windows, not the root
	KindPath      Kind = "path"            // path below a folder
)

// Attribute is one attribute of the language.
type Attribute struct {
	Name     string
	Kind     Kind
	Default  string // value when absent; "" with Required false means "not set"
	Unit     string // of a bare number
	Grain    string // a duration that is not 0 but less than one of this is refused; empty: Unit
	Values   []string
	Star     bool  // "*" is a value too
	Empty    bool  // an empty value means absent
	Min, Max int64 // of a number; Min of a duration is in ms; Max 0 is no limit
	Required bool
	Status   Status
	Why      string      // why it is ignored
	Modes    []core.Mode // in which it has an effect; empty: in every mode of its element
	Live     bool        // SafeKit can change it without stopping the module, its mark (D)
	Effect   Effect      // what a change does here; empty: that of the element
	New      bool        // not in SafeKit
	Doc      string
}

// Element is one element of the language.
type Element struct {
	Name       string
	Doc        string
	Status     Status
	Why        string      // why it is ignored
	Modes      []core.Mode // it belongs to; empty: every mode
	Required   bool
	Once       bool
	Key        []string // attributes that tell one from another; none: their order does
	Effect     Effect   // what a change of it, or inside, does to a module that runs; empty: that of the element around it
	Text       bool     // may hold text
	New        bool     // not in SafeKit
	Attributes []Attribute
	Children   []Element
}

// child finds an element inside e.
func (e *Element) child(name string) *Element {
	for i := range e.Children {
		if e.Children[i].Name == name {
			return &e.Children[i]
		}
	}
	return nil
}

// attribute finds an attribute of e.
func (e *Element) attribute(name string) *Attribute {
	for i := range e.Attributes {
		if e.Attributes[i].Name == name {
			return &e.Attributes[i]
		}
	}
	return nil
}

// Schema is the language of userconfig.xml: the one table that documents are
// checked against and that its documentation and XML schema are made from.
func Schema() *Element {
	return &Element{Name: "safe", Status: Used, Required: true, Once: true,
		Doc:      "The module.",
		Children: []Element{macroElement(), serviceElement()}}
}

func only(modes ...core.Mode) []core.Mode { return modes }

// onOff is a switch.
func onOff(name, def string, a Attribute) Attribute {
	a.Name, a.Kind, a.Default, a.Values = name, KindChoice, def, []string{"on", "off"}
	return a
}

// live marks everything in e that SafeKit has as changeable without a stop there.
func live(e Element) Element {
	if e.New {
		return e
	}
	for i := range e.Attributes {
		e.Attributes[i].Live = !e.Attributes[i].New
	}
	for i := range e.Children {
		e.Children[i] = live(e.Children[i])
	}
	return e
}

func macroElement() Element {
	return Element{Name: "macro", Status: Used, Key: []string{"name"}, Effect: EffectNone,
		Doc: "A value with a name, used elsewhere as %NAME% and changed at installation with --set NAME=VALUE. Without value it has no default and must be set.",
		Attributes: []Attribute{
			{Name: "name", Kind: KindName, Required: true, Status: Used, Doc: "The name."},
			{Name: "value", Kind: KindText, Status: Used, Doc: "The default. It may use other macros."},
			{Name: "doc", Kind: KindText, Status: Used, New: true, Doc: "What the macro is for, shown to whoever must set it."},
		}}
}

func serviceElement() Element {
	return Element{Name: "service", Status: Used, Once: true, Required: true, Effect: EffectStopStart, Doc: "What kind of module this is, and all of its parts.",
		Children: []Element{
			heartElement(), farmElement(), vipElement(), rfsElement(), userElement(),
			vhostElement(), errdElement(), checkElement(), failoverElement(),
		},
		Attributes: []Attribute{
			{Name: "mode", Kind: KindChoice, Values: []string{"farm", "mirror", "light"}, Required: true, Status: Used, Effect: EffectStop,
				Doc: "farm: all nodes are active behind one virtual address. mirror: one of two nodes is active, the primary, and the other takes over; the cluster has two nodes. light: each node by itself, without an address, restarted when something fails; start it where it is to run, with --node."},
			{Name: "boot", Kind: KindChoice, Values: []string{"on", "off", "auto", "ignore"}, Default: "ignore", Status: Used, Live: true, Effect: EffectLive,
				Doc: "Whether the module starts with the machine; auto: if it was started before; ignore: as the operator chose. A daemon that is only restarted goes on with what ran."},
			{Name: "boot_delay", Kind: KindDuration, Unit: "s", Grain: "ms", Default: "0s", Status: Used, Live: true, Effect: EffectLive, Doc: "The module is not started by itself before the machine has been up for this long."},
			onOff("failover", "on", Attribute{Status: Used, Modes: only(core.Mirror), Effect: EffectLive, Doc: "Whether the secondary takes over by itself when the primary fails; off: the operator decides."}),
			{Name: "defaultprim", Kind: KindName, Default: "alone", Status: Used, Modes: only(core.Mirror), Effect: EffectLive,
				Doc: "Which node is to be primary when both are up: alone: the one that is; lastprim: the one that was before it was stopped; or the name of a node."},
			{Name: "maxloop", Kind: KindNumber, Min: 0, Max: 1000, Default: "3", Status: Used, Live: true, Effect: EffectLive, Doc: "Automatic actions (restart, stopstart, wait, swap) of checks, processes, rules and scripts that are allowed within loop_interval; one more stops the module. What a check of an interface asks for does not count: a cable is no fault of the application."},
			{Name: "loop_interval", Kind: KindDuration, Unit: "h", Grain: "s", Default: "24h", Status: Used, Live: true, Effect: EffectLive, Doc: "See maxloop; 0 switches the limit off."},
			onOff("automatic_reboot", "off", Attribute{Status: Used, Live: true, Effect: EffectLive, Doc: "on: a stopstart that a check, a rule or a script asks for ends with a restart of the machine; what starts the module then is boot, which does so where it ran. Not where the machine is only a network namespace, as in a lab, unless the daemon was given a program for it (daemon --reboot)."}),
		}}
}
