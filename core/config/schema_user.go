package config

func userElement() Element {
	return live(Element{Name: "user", Status: Used, Once: true, Effect: EffectLive, Doc: "Runs the hooks in bin/; without it none runs.",
		Attributes: []Attribute{
			{Name: "nicestoptimeout", Kind: KindDuration, Unit: "s", Grain: "ms", Default: "300s", Min: 1, Status: Used, Doc: "Deadline of a stop hook."},
			{Name: "forcestoptimeout", Kind: KindDuration, Unit: "s", Grain: "ms", Default: "300s", Min: 1, Status: Used, Doc: "Deadline of a stop hook that is called with force."},
			{Name: "starttimeout", Kind: KindDuration, Unit: "s", Grain: "ms", Default: "300s", Min: 1, Status: Used, New: true, Doc: "Deadline of any other hook."},
			{Name: "logging", Kind: KindChoice, Values: []string{"userlog", "none"}, Default: "userlog", Status: Ignored, Why: "the output of every hook run is kept", Doc: "Where the output of hooks goes."},
			{Name: "userlogsize", Kind: KindNumber, Max: 1 << 30, Default: "2048", Status: Ignored, Why: "the output of every hook run is kept in a file of its own", Doc: "Size of that file, in KiB."},
		},
		Children: []Element{{Name: "var", Status: Used, Key: []string{"name"}, Doc: "A value for the hooks: ctx.vars.NAME, and a variable in the environment of programs.",
			Attributes: []Attribute{
				{Name: "name", Kind: KindName, Required: true, Status: Used, Doc: "The name."},
				{Name: "value", Kind: KindText, Required: true, Status: Used, Doc: "The value."},
			}}}})
}

func vhostElement() Element {
	return Element{Name: "vhost", Status: Used, Once: true,
		Doc: "Host names that the application sees instead of the machine's: hooks that are programs, what they start, exec in Lua, and application \"process\" run in a UTS namespace of their own. Services of systemd keep the machine's name, checks see it, too. On Linux only.",
		Children: []Element{{Name: "virtualhostname", Status: Used, Required: true, Key: []string{"name"}, Doc: "A host name.",
			Attributes: []Attribute{
				{Name: "name", Kind: KindHost, Required: true, Status: Used, Doc: "The name, of at most 64 characters."},
				{Name: "envfile", Kind: KindPath, Required: true, Status: Used, Doc: "File in bin/ that is made for shell scripts that read it, as they have to with SafeKit: it sets HOSTNAME. They see the name also without it."},
				{Name: "when", Kind: KindChoice, Values: []string{"prim", "second", "both"}, Default: "prim", Status: Used, Doc: "In which roles of the node the name holds: prim: while it is primary or alone; second: while it is secondary; both: in both, and in modes farm and light, where prim means the same. A role has one name at most."},
			}}}}
}

func failoverElement() Element {
	return Element{Name: "failover", Status: Used, Once: true, Text: true, Effect: EffectLive,
		Doc: "Rules that turn resources into actions. Each <![CDATA[ … ]]> in it holds rules in one language: the simple one, or Lua if its first line is --Lua Rules. Macros are replaced in the simple one only.",
		Attributes: []Attribute{
			{Name: "extends", Kind: KindChoice, Values: []string{"yes", "no"}, Default: "yes", Status: Used, Doc: "Whether the built-in rules hold too."},
			{Name: "period", Kind: KindDuration, Unit: "ms", Default: "5000ms", Status: Ignored, Why: "rules are evaluated whenever something changes", Doc: "How often rules are evaluated."},
			{Name: "handle_time", Kind: KindDuration, Unit: "ms", Default: "15000ms", Status: Used, Doc: "How long the same action must be asked for before it is done."},
		}}
}
