package config

import "github.com/orchestrator-ha/orchestrator/core"

func heartElement() Element {
	clock := []Attribute{
		{Name: "pulse", Kind: KindDuration, Unit: "ms", Default: "700ms", Status: NotYet, Doc: "Heartbeat interval."},
		{Name: "timeout", Kind: KindDuration, Unit: "ms", Default: "30000ms", Status: NotYet, Doc: "Silence after which the peer is lost."},
	}
	return Element{Name: "heart", Status: NotYet, Mode: core.Mirror, Once: true, Doc: "Heartbeats between the two nodes.",
		Attributes: append([]Attribute{
			{Name: "port", Kind: KindPort, Status: NotYet, Doc: "UDP port."},
			onOff("permanent_arp", "on", Attribute{Status: NotYet, Doc: "Fixed ARP entries for the peer."}),
		}, clock...),
		Children: []Element{{Name: "heartbeat", Status: NotYet, Doc: "A network that carries heartbeats.",
			Attributes: append([]Attribute{
				{Name: "name", Kind: KindName, Status: NotYet, Doc: "Network of the cluster."},
				{Name: "ident", Kind: KindName, Status: NotYet, Doc: "Name of the resource; flow: replication uses this network."},
			}, clock...),
			Children: []Element{serverElement()}}}}
}

// serverElement is the old form of a network: its two addresses.
func serverElement() Element {
	return Element{Name: "server", Status: NotYet, Doc: "Old form: an address of the network.",
		Attributes: []Attribute{{Name: "addr", Kind: KindText, Required: true, Status: NotYet, Doc: "The address."}}}
}

func rfsElement() Element {
	e := Element{Name: "rfs", Status: NotYet, Mode: core.Mirror, Once: true, Doc: "Folders that are replicated.",
		Attributes: []Attribute{
			onOff("acl", "off", Attribute{Doc: "Replicate access lists."}),
			{Name: "async", Kind: KindChoice, Values: []string{"second", "none"}, Default: "second", Doc: "When the secondary acknowledges."},
			{Name: "iotimeout", Kind: KindDuration, Unit: "s", Default: "300s", Doc: "Patience with local writes."},
			{Name: "locktimeout", Kind: KindDuration, Unit: "s", Default: "100s", Doc: "Patience with the secondary."},
			{Name: "sendtimeout", Kind: KindDuration, Unit: "s", Default: "30s", Doc: "Patience with the network."},
			{Name: "reitimeout", Kind: KindDuration, Unit: "s", Default: "150s", Doc: "Patience with a resynchronisation request."},
			{Name: "checktime", Kind: KindDuration, Unit: "ms", Default: "220000ms", Doc: "Patience with the local file system."},
			{Name: "checkintv", Kind: KindDuration, Unit: "s", Default: "120s", Doc: "How often it is asked."},
			{Name: "syncdelta", Kind: KindDuration, Unit: "m", Default: "0m", Doc: "Age of the last synchronisation up to which a node may start alone."},
			{Name: "roflags", Kind: KindText, Default: "0x10", Doc: "Reaction to writers on the secondary."},
			onOff("reidetail", "off", Attribute{Doc: "Log each file that is resynchronised."}),
			{Name: "nfsbox_options", Kind: KindText, Default: "cross", Doc: "Mount points."},
			onOff("scripts", "off", Attribute{Doc: "Call scripts of the module."}),
			{Name: "syncat", Kind: KindText, Doc: "Schedule of synchronisation."},
			{Name: "mountoversuffix", Kind: KindText, Doc: "Suffix of the folder's real place."},
			onOff("mountover", "on", Attribute{Doc: "Old."}),
		},
		Children: []Element{
			{Name: "replicated", Doc: "A folder.",
				Attributes: []Attribute{
					{Name: "dir", Kind: KindText, Required: true, Doc: "Its path."},
					{Name: "mode", Kind: KindChoice, Values: []string{"read_only"}, Default: "read_only", Doc: "The copy is read only."},
				},
				Children: []Element{
					{Name: "tocheck", Doc: "A path that must exist.", Attributes: []Attribute{{Name: "path", Kind: KindText, Required: true, Doc: "Path."}}},
					{Name: "notreplicated", Doc: "What is left out.", Attributes: []Attribute{
						{Name: "path", Kind: KindText, Doc: "Path."}, {Name: "regexpath", Kind: KindText, Doc: "Regular expression for paths."}}},
				}},
			{Name: "flow", Doc: "Old form: the network of replication.", Children: []Element{serverElement()},
				Attributes: []Attribute{{Name: "name", Kind: KindName, Doc: "Name."}}},
		}}
	for _, name := range []string{"packetsize", "reipacketsize", "ruzone_blocksize", "nbrei", "nbremconn", "namespacepolicy", "reicommit", "allocthreshold", "reiallowedbw"} {
		e.Attributes = append(e.Attributes, Attribute{Name: name, Kind: KindNumber, Max: 1 << 40, Doc: "Tuning of replication."})
	}
	notYet(&e)
	return e
}

// notYet gives everything in e that status.
func notYet(e *Element) {
	e.Status = NotYet
	for i := range e.Attributes {
		e.Attributes[i].Status = NotYet
	}
	for i := range e.Children {
		notYet(&e.Children[i])
	}
}
