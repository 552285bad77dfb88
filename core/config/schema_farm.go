package config

import "github.com/orchestrator-ha/orchestrator/core"

// clock is why the pulses and counts of SafeKit's heartbeats have no effect.
const clock = "the cluster's heartbeat decides who is alive, for all modules"

func farmElement() Element {
	return Element{Name: "farm", Status: Used, Modes: only(core.Farm), Once: true, Doc: "The nodes work together as a farm.",
		Attributes: []Attribute{
			{Name: "port", Kind: KindPort, Status: Ignored, Why: clock, Doc: "UDP port of the farm's own protocol."},
			{Name: "pulse", Kind: KindDuration, Unit: "ms", Default: "100ms", Status: Ignored, Why: clock, Doc: "Heartbeat interval."},
			{Name: "mlost_count", Kind: KindNumber, Max: 100000, Default: "20", Status: Ignored, Why: clock, Doc: "Missed heartbeats until a new leader is chosen."},
			{Name: "slost_count", Kind: KindNumber, Max: 100000, Default: "10", Status: Ignored, Why: clock, Doc: "Missed heartbeats until a node is lost."},
			{Name: "lease", Kind: KindChoice, Values: []string{"fence", "keep"}, Default: "fence", Status: Used, New: true, Effect: EffectStop,
				Doc: "What a node does whose daemon is silent: fence: it stops serving, its peers take over; keep: it goes on with what it has, and its peers take over only when its host does not answer any more."},
			{Name: "slow_start", Kind: KindDuration, Unit: "s", Grain: "ms", Default: "0s", Status: Used, New: true, Effect: EffectLive,
				Doc: "How long a node that comes back takes to its full share: it begins with a quarter of its power. 0: at once."},
			{Name: "leave_timeout", Kind: KindDuration, Unit: "s", Grain: "ms", Default: "30s", Min: 0, Status: Used, New: true, Effect: EffectLive,
				Doc: "How long a planned stop waits for the other nodes to take its share. Connections that are open then end with the application; drain first to let them end by themselves."},
		},
		Children: []Element{
			{Name: "lan", Status: Used, Key: []string{"name"}, Effect: EffectNone, Doc: "A network of the cluster. It must exist; the heartbeat uses all networks of the cluster, whatever is named here.",
				Attributes: []Attribute{{Name: "name", Kind: KindName, Status: Used, Doc: "Its name in the cluster's configuration. May be left out only with <node> in it."}},
				Children: []Element{{Name: "node", Status: Ignored, Key: []string{"name"}, Why: "the addresses of nodes are those of the cluster", Doc: "A node's address on the network: a form that is older than the cluster's own configuration.",
					Attributes: []Attribute{
						{Name: "name", Kind: KindName, Required: true, Status: Used, Doc: "Node."},
						{Name: "addr", Kind: KindHost, Required: true, Status: Used, Doc: "Its address."},
					}}}},
		}}
}

func vipElement() Element {
	return Element{Name: "vip", Status: Used, Modes: only(core.Farm, core.Mirror), Once: true, Doc: "Virtual addresses and how their traffic is shared.",
		Attributes: []Attribute{
			onOff("tcpreset", "on", Attribute{Status: Ignored, Why: "connections are handed over before an address goes away", Doc: "Reset connections when the address is removed."}),
			onOff("scriptcontrol", "off", Attribute{Status: Used, Modes: only(core.Farm), Effect: EffectLive, Doc: "on: after start_both the node is drained until a script opens the traffic, with safekit -r saferpc_send vipd SETGROUPS all or orchestrator undrain, also within start_both. off: traffic is let in when start_both has succeeded. A change holds from the next start of the application on."}),
		},
		Children: []Element{
			{Name: "interface_list", Status: Used, Once: true, Required: true, Doc: "The interfaces.", Children: []Element{interfaceElement()}},
			{Name: "loadbalancing_list", Status: Used, Once: true, Modes: only(core.Farm), Doc: "How traffic is shared.", Children: []Element{groupElement()}},
		}}
}

func interfaceElement() Element {
	const announced = "the address is announced after every take-over, and again now and then, in any case"
	return Element{Name: "interface", Status: Used, Required: true, Effect: EffectStop, Doc: "A network interface that holds virtual addresses.",
		Attributes: []Attribute{
			onOff("check", "on", Attribute{Status: Used, Modes: only(core.Mirror), Doc: "Watch the interface: a node where it is down waits, and the other one takes over. It is a check <intf> with when=\"pre\", and its resource is intf.NAME, or intf.ADDRESS of an interface without a name; SafeKit calls it by the network. In a farm a node whose link is down loses its share in any case."}),
			onOff("arpreroute", "off", Attribute{Status: Ignored, Why: announced, Doc: "Send gratuitous ARP."}),
			{Name: "arpinterval", Kind: KindDuration, Unit: "s", Default: "60s", Status: Ignored, Why: announced, Doc: "How often."},
			{Name: "arpelapse", Kind: KindDuration, Unit: "s", Default: "1200s", Status: Ignored, Why: announced, Doc: "How long."},
			{Name: "name", Kind: KindText, Empty: true, Status: Used, Doc: "Name of the interface, e.g. eth0. Without it, the interface whose network holds the virtual address."},
		},
		Children: []Element{
			{Name: "virtual_interface", Status: Used, Modes: only(core.Farm, core.Mirror), Once: true, Doc: "Addresses that all nodes hold, or in mode mirror the primary, IPv4 or IPv6.",
				Attributes: []Attribute{
					{Name: "type", Kind: KindChoice, Values: []string{"vmac_directed", "vmac_invisible"}, Default: "vmac_directed", Status: Used,
						Doc: "vmac_directed: nodes answer with their own MAC and forward to each other. vmac_invisible: all answer with one virtual MAC that no frame ever comes from, so that the switch brings every frame to every node."},
					{Name: "addr", Kind: KindMAC, Empty: true, Status: Used,
						Doc: "The virtual MAC of vmac_invisible, for all addresses in this element. Without it each has its own: 5A:FE and the IPv4 address in hex, 5A:F6 and the last four bytes of an IPv6 address."},
				},
				Children: []Element{virtualAddrElement("alias", "one_side_alias", "one_side")}},
			{Name: "real_interface", Status: Used, Modes: only(core.Mirror), Once: true, Doc: "Addresses that the primary holds under the interface's own MAC.",
				Children: []Element{virtualAddrElement("one_side_alias", "one_side")}},
		}}
}

func virtualAddrElement(where ...string) Element {
	return Element{Name: "virtual_addr", Status: Used, Required: true, Key: []string{"addr"}, Effect: EffectLive, Doc: "A virtual address.",
		Attributes: []Attribute{
			{Name: "addr", Kind: KindResolved, Required: true, Status: Used, Doc: "The address."},
			{Name: "where", Kind: KindChoice, Values: where, Status: Used, Effect: EffectStop,
				Doc: "alias: on all nodes, in mode farm; one_side_alias: on the primary, beside the interface's own address; one_side: likewise, and what the primary itself sends over TCP and UDP by this interface comes from there, unless a program binds another address; the other nodes are reached from the interface's own. Default: alias in mode farm, one_side_alias in mode mirror."},
			onOff("check", "on", Attribute{Status: Used,
				Doc: "Refuse to start while a machine that is no node has the address, and report one that takes it later as resource ip.ADDRESS (ip.ADDRESS.vip if a check has that name). off: where something answers for every address, as some routers do. That the address stays on its interface is seen to in any case."}),
			onOff("connections", "off", Attribute{Status: Ignored, Why: "connections are counted in any case", Doc: "Count connections."}),
			{Name: "netmask", Kind: KindNetmask, Empty: true, Status: Used, Doc: "Netmask; without it, that of the interface's network which holds the address."},
		}}
}

func groupElement() Element {
	return Element{Name: "group", Status: Used, Required: true, Key: []string{"name"}, Effect: EffectLive, Doc: "Rules that share one table of owners, with their own powers.",
		Attributes: []Attribute{{Name: "name", Kind: KindName, Required: true, Status: Used, Doc: "Its name."}},
		Children: []Element{
			{Name: "cluster", Status: Used, Once: true, Doc: "Powers of nodes in this group.", Children: []Element{
				{Name: "host", Status: Used, Required: true, Key: []string{"name"}, Doc: "A node.",
					Attributes: []Attribute{
						{Name: "name", Kind: KindName, Required: true, Status: Used, Doc: "The node's name."},
						{Name: "power", Kind: KindNumber, Min: 0, Max: 1_000_000, Default: "1", Status: Used, Doc: "Its share relative to the others; 0 is none."},
					}}}},
			{Name: "rule", Status: Used, Required: true, Key: []string{"proto", "virtual_addr", "port"}, Doc: "Traffic that the group shares. What no rule covers is denied.",
				Attributes: []Attribute{
					{Name: "virtual_addr", Kind: KindResolved, Star: true, Default: "*", Status: Used, Doc: "Virtual address, * for all of the module."},
					{Name: "port", Kind: KindPort, Star: true, Default: "*", Status: Used, Doc: "Port, * for all."},
					{Name: "proto", Kind: KindChoice, Values: []string{"tcp", "udp", "arp"}, Required: true, Status: Used, Doc: "Protocol; arp: who answers when the address is looked for, by ARP or neighbour discovery."},
					{Name: "filter", Kind: KindChoice, Values: []string{"on_addr", "on_port", "on_ipid"}, Default: "on_addr", Status: Used,
						Doc: "on_addr: a client address always meets the same node; on_port: each connection by itself; on_ipid: each packet by itself, for UDP over IPv4."},
				}},
		}}
}
