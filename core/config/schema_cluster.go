package config

// ClusterSchema is the language of cluster.xml, SafeKit's description of the
// nodes. A cluster here is founded and joined instead (orchestrator cluster
// init, join); the document is read to tell how.
func ClusterSchema() *Element {
	return &Element{Name: "cluster", Status: Used, Required: true, Once: true, Doc: "The nodes and the networks between them.",
		Children: []Element{{Name: "lans", Status: Used, Required: true, Once: true, Doc: "The networks.",
			Attributes: []Attribute{
				{Name: "port", Kind: KindPort, Default: "4800", Status: Ignored, Why: "the cluster's ports are its own: UDP 4800, TCP and UDP 4801, TCP 4802, TCP 9010", Doc: "UDP port."},
				{Name: "pulse", Kind: KindDuration, Unit: "ms", Default: "100ms", Status: Ignored, Why: clock, Doc: "Heartbeat interval."},
				{Name: "mlost_count", Kind: KindNumber, Max: 100000, Default: "20", Status: Ignored, Why: clock, Doc: "Missed heartbeats until a new leader is chosen."},
				{Name: "slost_count", Kind: KindNumber, Max: 100000, Default: "10", Status: Ignored, Why: clock, Doc: "Missed heartbeats until a node is lost."},
			},
			Children: []Element{lanElement()}}}}
}

func lanElement() Element {
	const old = "SafeKit itself has given it up"
	return Element{Name: "lan", Status: Used, Required: true, Key: []string{"name"}, Doc: "A network. One at least must have all nodes.",
		Attributes: []Attribute{
			{Name: "name", Kind: KindName, Required: true, Status: Used, Doc: "Its name, as modules write it."},
			onOff("command", "off", Attribute{Status: Ignored, Why: "commands reach all nodes over any network", Doc: "Whether commands go this way."}),
			onOff("console", "off", Attribute{Status: Ignored, Why: old, Doc: "Old."}),
			onOff("framework", "off", Attribute{Status: Ignored, Why: old, Doc: "Old."}),
			onOff("connect", "off", Attribute{Status: Ignored, Why: old, Doc: "Old."}),
		},
		Children: []Element{{Name: "node", Status: Used, Required: true, Key: []string{"name"}, Doc: "A node.",
			Attributes: []Attribute{
				{Name: "name", Kind: KindName, Required: true, Status: Used, Doc: "Its name, the same on all networks."},
				{Name: "addr", Kind: KindHost, Required: true, Status: Used, Doc: "Its address on the network, or a name for it; IPv6 may stand in [ ]."},
				{Name: "laddr", Kind: KindHost, Empty: true, Status: Used, Doc: "Its address as the node itself has it, if addr is translated on the way (NAT)."},
			}}}}
}
