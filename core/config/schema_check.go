package config

func errdElement() Element {
	return Element{Name: "errd", Status: Used, Once: true, Doc: "Watches processes and services; needs <user>.",
		Attributes: []Attribute{
			{Name: "polltimer", Kind: KindDuration, Unit: "s", Default: "30s", Min: 1, Status: Used, Doc: "How often the process list is read as a safety net; the end of a process is seen at once."},
		},
		Children: []Element{{Name: "proc", Status: Used, Doc: "A process or service that must run.",
			Attributes: []Attribute{
				{Name: "name", Kind: KindText, Required: true, Status: Used, Doc: "Name of the program, or of the service; the resource is proc.NAME."},
				{Name: "service", Kind: KindChoice, Values: []string{"yes", "no"}, Default: "no", Status: Used, Doc: "Whether it is a systemd unit or Windows service."},
				{Name: "nameregex", Kind: KindRegex, Empty: true, Status: Used, Doc: "Regular expression for the program's name, instead of name."},
				{Name: "argregex", Kind: KindRegex, Empty: true, Status: Used, Doc: "Regular expression that the command line must match too."},
				{Name: "class", Kind: KindName, Default: "both", Status: Used, Doc: "When it must run: both, prim (in a farm the same), pre."},
				{Name: "action", Kind: KindText, Default: "stopstart", Status: Used, Doc: "restart, stopstart, stop or noaction."},
				{Name: "restart_services", Kind: KindText, Empty: true, Status: NotYet, Doc: "Services that a restart is about."},
				{Name: "start_after", Kind: KindNumber, Min: 0, Max: 100000, Default: "0", Status: Used, Doc: "Polls to let pass after the start before the first judgement."},
				{Name: "atleast", Kind: KindNumber, Min: -1, Max: 100000, Default: "1", Status: Used, Doc: "Fewest processes; -1 for no limit."},
				{Name: "atmax", Kind: KindNumber, Min: -1, Max: 100000, Default: "-1", Status: Used, Doc: "Most processes; -1 for no limit."},
			}}}}
}

func checkElement() Element {
	return Element{Name: "check", Status: Used, Once: true, Doc: "Checkers: each publishes a resource that the module depends on.",
		Children: []Element{
			checker("tcp", Used, "A TCP connection to an address and port works. Resource tcp.IDENT.", []string{"pre", "prim", "second", "both"}, "both", to("1s", "1s",
				Attribute{Name: "addr", Kind: KindAddress, Required: true, Doc: "Address."},
				Attribute{Name: "port", Kind: KindPort, Required: true, Doc: "Port."})),
			checker("ping", NotYet, "An address answers to ping.", []string{"pre", "prim", "second", "both"}, "pre", to("10s", "5s",
				Attribute{Name: "addr", Kind: KindText, Required: true, Doc: "Address."})),
			checker("intf", NotYet, "A network interface is up.", []string{"pre"}, "pre", to("10s", "5s",
				Attribute{Name: "local_addr", Kind: KindText, Required: true, Doc: "Address on the interface."})),
			checker("ip", NotYet, "A local address is set.", []string{"prim", "both"}, "prim", to("10s", "5s",
				Attribute{Name: "addr", Kind: KindText, Required: true, Doc: "Address."})),
			checker("custom", NotYet, "A program of the module decides.", []string{"pre", "prim", "second", "both"}, "both", nil,
				Attribute{Name: "exec", Kind: KindText, Required: true, Status: NotYet, Doc: "Program in bin/."},
				Attribute{Name: "arg", Kind: KindText, Status: NotYet, Doc: "Its arguments."}),
			{Name: "module", Status: NotYet, Doc: "Another module works.",
				Attributes: []Attribute{
					{Name: "name", Kind: KindName, Required: true, Status: NotYet, Doc: "The module."},
					{Name: "ident", Kind: KindName, Status: NotYet, Doc: "Name of the resource."},
				},
				Children: to("10s", "5s",
					Attribute{Name: "addr", Kind: KindText, Doc: "Address."},
					Attribute{Name: "port", Kind: KindPort, Default: "9010", Doc: "Port."},
					onOff("secure", "off", Attribute{Doc: "TLS."}))},
			checker("splitbrain", NotYet, "A witness is reachable.", []string{"pre"}, "pre", nil,
				Attribute{Name: "exec", Kind: KindText, Default: "ping", Status: NotYet, Doc: "How it is asked."},
				Attribute{Name: "arg", Kind: KindText, Required: true, Status: NotYet, Doc: "Its addresses."}),
		}}
}

// checker is one checker with the attributes that all have.
func checker(name string, status Status, doc string, when []string, def string, children []Element, more ...Attribute) Element {
	return Element{Name: name, Status: status, Doc: doc, Children: children, Attributes: append([]Attribute{
		{Name: "ident", Kind: KindName, Required: true, Status: status, Doc: "Name of the resource."},
		{Name: "when", Kind: KindChoice, Values: when, Default: def, Status: status, Doc: "When it runs: pre: from prestart on; both, prim: while the application runs."},
		{Name: "action", Kind: KindChoice, Values: []string{"restart", "stopstart", "stop", "wait", "noaction"}, Status: status,
			Doc: "What its failure does. Default: restart; with when=\"pre\": wait. With pre only wait and noaction are possible, otherwise all but wait."},
	}, more...)}
}

// to is the target of a checker, with how often and how patiently it is asked.
func to(interval, timeout string, attributes ...Attribute) []Element {
	attributes = append(attributes,
		Attribute{Name: "interval", Kind: KindDuration, Unit: "s", Default: interval, Min: 10, Doc: "How often it is asked."},
		Attribute{Name: "timeout", Kind: KindDuration, Unit: "s", Default: timeout, Min: 10, Doc: "How long an answer may take."})
	for i := range attributes {
		attributes[i].Status = Used
	}
	return []Element{{Name: "to", Status: Used, Required: true, Once: true, Doc: "What is checked.", Attributes: attributes}}
}
