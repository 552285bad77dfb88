package config

import "github.com/orchestrator-ha/orchestrator/core"

// Status says what this version does with an element or attribute.
type Status string

const (
	Used    Status = "used"    // acted on
	Ignored Status = "ignored" // accepted without effect; Why tells the reason
	NotYet  Status = "not-yet" // refused: to accept it would promise something
)

// Kind is the type of an attribute's value.
type Kind string

const (
	KindText     Kind = "text"     // anything
	KindName     Kind = "name"     // letters, digits, _ - .
	KindNumber   Kind = "number"   // Min to Max
	KindDuration Kind = "duration" // a number with d h m s ms us; a bare number is in Unit
	KindChoice   Kind = "choice"   // one of Values
	KindAddress  Kind = "address"  // IPv4 or IPv6
	KindPort     Kind = "port"     // 1 to 65535
	KindNetmask  Kind = "netmask"  // 255.255.255.0 or 24
	KindRegex    Kind = "regex"    // regular expression
	KindMAC      Kind = "mac"      // Ethernet address of one machine
)

// Attribute is one attribute of the language.
type Attribute struct {
	Name     string
	Kind     Kind
	Default  string // value when absent; "" with Required false means "not set"
	Unit     string // of a bare number
	Values   []string
	Star     bool     // "*" is a value too
	Empty    bool     // an empty value means absent
	NotYet   []string // values that are refused for now
	Min, Max int64    // of a number; Min of a duration is in ms; Max 0 is no limit
	Required bool
	Status   Status
	Why      string // why it is ignored
	New      bool   // not in SafeKit
	Doc      string
}

// Element is one element of the language.
type Element struct {
	Name       string
	Doc        string
	Status     Status
	Why        string    // why it is ignored
	Mode       core.Mode // the only mode it belongs to; empty: every mode
	Required   bool
	Once       bool
	Text       bool // may hold text
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
// checked against and that its documentation is made from.
func Schema() *Element {
	return &Element{Name: "safe", Status: Used, Required: true, Once: true,
		Doc:      "The module.",
		Children: []Element{macroElement(), serviceElement()}}
}

// onOff is a switch.
func onOff(name, def string, a Attribute) Attribute {
	a.Name, a.Kind, a.Default, a.Values = name, KindChoice, def, []string{"on", "off"}
	return a
}

func macroElement() Element {
	return Element{Name: "macro", Status: Used,
		Doc: "A value with a name, used elsewhere as %NAME% and changed at installation with --set NAME=VALUE. Without value it has no default and must be set.",
		Attributes: []Attribute{
			{Name: "name", Kind: KindName, Required: true, Status: Used, Doc: "The name."},
			{Name: "value", Kind: KindText, Status: Used, Doc: "The default. It may use other macros."},
			{Name: "doc", Kind: KindText, Status: Used, New: true, Doc: "What the macro is for, shown to whoever must set it."},
		}}
}

func serviceElement() Element {
	return Element{Name: "service", Status: Used, Once: true, Required: true, Doc: "What kind of module this is, and all of its parts.",
		Children: []Element{
			heartElement(), farmElement(), vipElement(), rfsElement(), userElement(),
			vhostElement(), errdElement(), checkElement(), failoverElement(),
		},
		Attributes: []Attribute{
			{Name: "mode", Kind: KindChoice, Values: []string{"farm", "mirror", "light"}, NotYet: []string{"mirror", "light"}, Required: true, Status: Used,
				Doc: "farm: all nodes are active behind one virtual address."},
			{Name: "boot", Kind: KindChoice, Values: []string{"on", "off", "auto", "ignore"}, Default: "ignore", Status: Used,
				Doc: "Whether the module starts with the machine; auto: if it was started before; ignore: as the operator chose."},
			{Name: "boot_delay", Kind: KindDuration, Unit: "s", Default: "0s", Status: Used, Doc: "Wait this long before the start at boot."},
			{Name: "failover", Kind: KindChoice, Values: []string{"on", "off"}, Default: "on", Status: Ignored, Why: "it is for mirror modules", Doc: "Mirror: whether the secondary takes over."},
			{Name: "defaultprim", Kind: KindText, Default: "alone", Status: Ignored, Why: "it is for mirror modules", Doc: "Mirror: which node is preferred as primary."},
			{Name: "maxloop", Kind: KindNumber, Min: 0, Max: 1000, Default: "3", Status: Used, Doc: "Automatic restarts and the like that are allowed within loop_interval; one more stops the module."},
			{Name: "loop_interval", Kind: KindDuration, Unit: "h", Default: "24h", Status: Used, Doc: "See maxloop; 0 switches the limit off."},
			onOff("automatic_reboot", "off", Attribute{NotYet: []string{"on"}, Status: Used, Doc: "Reboot the machine instead of a stopstart."}),
		}}
}

func userElement() Element {
	return Element{Name: "user", Status: Used, Once: true, Doc: "Runs the hooks in bin/; without it none runs.",
		Attributes: []Attribute{
			{Name: "nicestoptimeout", Kind: KindDuration, Unit: "s", Default: "300s", Min: 1, Status: Used, Doc: "Deadline of a stop hook."},
			{Name: "forcestoptimeout", Kind: KindDuration, Unit: "s", Default: "300s", Min: 1, Status: Used, Doc: "Deadline of a stop hook that is called with force."},
			{Name: "starttimeout", Kind: KindDuration, Unit: "s", Default: "300s", Min: 1, Status: Used, New: true, Doc: "Deadline of any other hook."},
			{Name: "logging", Kind: KindChoice, Values: []string{"userlog", "none"}, Default: "userlog", Status: Ignored, Why: "the output of every hook run is kept", Doc: "Where the output of hooks goes."},
			{Name: "userlogsize", Kind: KindNumber, Max: 1 << 30, Default: "2048", Status: Ignored, Why: "the output of every hook run is kept in a file of its own", Doc: "Size of that file, in KiB."},
		},
		Children: []Element{{Name: "var", Status: Used, Doc: "A value for the hooks: ctx.vars.NAME.",
			Attributes: []Attribute{
				{Name: "name", Kind: KindName, Required: true, Status: Used, Doc: "The name."},
				{Name: "value", Kind: KindText, Required: true, Status: Used, Doc: "The value."},
			}}}}
}

func vhostElement() Element {
	return Element{Name: "vhost", Status: NotYet, Once: true, Doc: "A host name that the application sees instead of the machine's.",
		Children: []Element{{Name: "virtualhostname", Status: NotYet, Doc: "The name.",
			Attributes: []Attribute{
				{Name: "name", Kind: KindText, Required: true, Status: NotYet, Doc: "The name."},
				{Name: "envfile", Kind: KindText, Required: true, Status: NotYet, Doc: "File that scripts read."},
				{Name: "when", Kind: KindChoice, Values: []string{"prim", "second", "both"}, Default: "prim", Status: NotYet, Doc: "When the name holds."},
			}}}}
}

func failoverElement() Element {
	return Element{Name: "failover", Status: NotYet, Text: true, Doc: "Rules that turn resources into actions.",
		Attributes: []Attribute{
			{Name: "extends", Kind: KindChoice, Values: []string{"yes", "no"}, Default: "yes", Status: NotYet, Doc: "Whether the built-in rules hold too."},
			{Name: "period", Kind: KindDuration, Unit: "ms", Default: "5000ms", Status: NotYet, Doc: "How often rules are evaluated."},
			{Name: "handle_time", Kind: KindDuration, Unit: "ms", Default: "15000ms", Status: NotYet, Doc: "How long an action must be asked for before it is done."},
		}}
}
