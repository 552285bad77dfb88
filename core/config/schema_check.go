package config

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
	addr := Attribute{Name: "addr", Kind: KindHost, Required: true, Status: Used, Doc: "Address. A name is looked up each time."}
	own := addr
	own.Kind, own.Doc = KindResolved, "Address."
	return live(Element{Name: "check", Status: Used, Once: true, Effect: EffectCheck, Doc: "Checkers: each publishes a resource that the module depends on.",
		Children: []Element{
			checker("tcp", Used, "A TCP connection to an address and port works. Resource tcp.IDENT.", anyTime, "both", "restart",
				to("1s", "1s", addr, Attribute{Name: "port", Kind: KindPort, Required: true, Status: Used, Doc: "Port."})),
			checker("ping", Used, "An address answers to ping. Resource ping.IDENT.", anyTime, "pre", "wait", to("1s", "1s", addr)),
			checker("intf", Used, "A network interface is up and has a carrier; a change is seen at once. Resource intf.IDENT.", beforeAll, "pre", "wait",
				target(
					Attribute{Name: "local_addr", Kind: KindResolved, Status: Used, Doc: "Address on the interface, or, where no interface has it, any of its network: 10.0.0.0 for whichever interface is in 10.0.0.0/24."},
					Attribute{Name: "name", Kind: KindText, Empty: true, New: true, Status: Used, Doc: "The interface, instead of local_addr."})),
			checker("ip", Used, "A local address is set and can be used; a change is seen at once. Resource ip.IDENT.", running, "both", "stopstart", target(own, interval("1s"))),
			customElement(),
			moduleCheckElement(),
			splitbrainElement(),
			httpElement(),
			dnsElement(),
			sqlElement(),
			pluginElement(),
		}})
}

func customElement() Element {
	return checker("custom", Used, "A program of the module decides. It is called with the names of module and resource and then its own arguments. Either it ends, 0 is up and any other code down, and is run again; or it goes on and prints a line whenever it knows something new: up, or down or unknown with a reason; safekit set -r does the same. If its name ends in .lua, it is a file of Lua that returns a function: return function(check) … return \"down\", \"why\" end. Resource custom.IDENT.",
		anyTime, "both", "noaction", Element{},
		Attribute{Name: "exec", Kind: KindPath, Required: true, Status: Used, Doc: "Program in bin/, or file of Lua there."},
		Attribute{Name: "arg", Kind: KindText, Status: Used, Doc: "Its arguments, with spaces between."},
		Attribute{Name: "interval", Kind: KindDuration, Unit: "s", Grain: "ms", Default: "10s", Min: 10, Status: Used, New: true, Doc: "How long after its last start one that has ended is run again."},
		Attribute{Name: "timeout", Kind: KindDuration, Unit: "s", Grain: "ms", Default: "0s", Status: Used, New: true, Doc: "How long it may go on without printing such a line, or how long the function in Lua may take; it is cut off then, and the resource is down. 0: for ever, in Lua 10 s."})
}

func moduleCheckElement() Element {
	e := target(
		Attribute{Name: "addr", Kind: KindHost, Default: "127.0.0.1", Status: Used, Doc: "Address of a node that has the module, or of the module itself."},
		Attribute{Name: "port", Kind: KindPort, Default: "9010", Status: Used, Doc: "Port of that node's API."},
		interval("10s"), patience("5s"),
		onOff("secure", "off", Attribute{Status: Ignored, Why: "nodes always speak TLS to each other", Doc: "Whether to use TLS."}))
	e.Required = false
	return Element{Name: "module", Status: Used, Key: []string{"name", "ident"},
		Doc: "Another module takes connections on a node. This one waits until it does, and is restarted when it was; of a node that is silent the first time does not count. Resource module.IDENT.",
		Attributes: []Attribute{
			{Name: "name", Kind: KindName, Required: true, Status: Used, Doc: "The module."},
			{Name: "ident", Kind: KindName, Status: Used, Doc: "Name of the resource. Default: NAME_ADDR."},
		},
		Children: []Element{e}}
}

// checker is one checker with the attributes that all have. def is when it runs,
// action what its failure does, if nothing else is said.
func checker(name string, status Status, doc string, when []string, def, action string, to Element, more ...Attribute) Element {
	text := "What its failure does. Default: " + action + "."
	if len(when) > 1 && when[0] == "pre" {
		text = "What its failure does. Default: " + action + "; with when=\"pre\": wait."
		if action == "noaction" || action == "wait" {
			text = "What its failure does. Default: " + action + "."
		}
		text += " With pre only wait and noaction are possible, otherwise all but wait."
	}
	e := Element{Name: name, Status: status, Key: []string{"ident"}, Doc: doc, Attributes: append([]Attribute{
		{Name: "ident", Kind: KindName, Required: true, Status: Used, Doc: "Name of the resource."},
		{Name: "when", Kind: KindChoice, Values: when, Default: def, Status: Used,
			Doc: "When it runs: pre: from prestart on, whatever the application does; both: while the application runs; prim, second: while it does in that role, in a farm prim is the same as both."},
		{Name: "action", Kind: KindChoice, Values: []string{"restart", "stopstart", "stop", "wait", "noaction"}, Status: Used, Doc: text},
	}, more...)}
	if to.Name != "" {
		e.Children = []Element{to}
	}
	return e
}

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
