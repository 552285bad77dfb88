package config

import "github.com/orchestrator-ha/orchestrator/core"

func heartElement() Element {
	pulse := Attribute{Name: "pulse", Kind: KindDuration, Unit: "ms", Default: "700ms", Status: Ignored, Why: clock, Doc: "Heartbeat interval."}
	const silence = "Silence on all networks after which the peer is lost, at least the timeout of the cluster's heartbeat. SafeKit's default is 30000ms."
	return live(Element{Name: "heart", Status: Used, Modes: only(core.Mirror), Once: true, Effect: EffectLive, Doc: "How the two nodes watch each other.",
		Attributes: []Attribute{
			{Name: "port", Kind: KindPort, Status: Ignored, Why: clock, Doc: "UDP port."},
			onOff("permanent_arp", "on", Attribute{Status: Ignored, Why: "heartbeats keep the peer's ARP entry fresh", Doc: "Fixed ARP entries for the peer."}),
			pulse,
			{Name: "timeout", Kind: KindDuration, Unit: "ms", Default: "1000ms", Min: 1, Status: Used, Doc: silence},
		},
		Children: []Element{{Name: "heartbeat", Status: Used, Key: []string{"name", "ident"}, Doc: "A network of the cluster. Without any, all are used.",
			Attributes: []Attribute{
				{Name: "name", Kind: KindName, Status: Used, Doc: "Its name in the cluster's configuration. May be left out only with <server> in it."},
				{Name: "ident", Kind: KindName, Status: Used, Doc: "Name of the resource heartbeat.IDENT; flow: replication uses this network. Default: the network's name."},
				pulse,
				{Name: "timeout", Kind: KindDuration, Unit: "ms", Min: 1, Status: Used, Doc: "As that of <heart>, for this network."},
			},
			Children: []Element{serverElement()}}}})
}

// serverElement is the old form of a network: the addresses of its nodes.
func serverElement() Element {
	return Element{Name: "server", Status: Used, Key: []string{"addr"}, Doc: "The address of a node on the network: a form that is older than the cluster's own configuration.",
		Attributes: []Attribute{{Name: "addr", Kind: KindHost, Required: true, Status: Used, Doc: "The address."}}}
}

// Why parts of the description of replication mean nothing here.
const (
	noNFS    = "replication does not go through NFS"
	noDriver = "there is no driver between the application and its files"
	noRename = "folders are not renamed"
)

func rfsElement() Element {
	e := Element{Name: "rfs", Status: Used, Modes: only(core.Mirror), Once: true, Effect: EffectStop, Doc: "Folders that are replicated.",
		Attributes: []Attribute{
			onOff("acl", "off", Attribute{Status: Ignored, Why: "access lists are always replicated", Doc: "Replicate access lists."}),
			{Name: "async", Kind: KindChoice, Values: []string{"second", "none"}, Default: "none", Status: Used, Effect: EffectLive, Live: true, Doc: "What a sync of the application (fsync) waits for. none: until the data is on the disks of both nodes; second: until the secondary has it in memory. SafeKit's default is second."},
			{Name: "locktimeout", Kind: KindDuration, Unit: "s", Default: "60s", Min: 1, Status: Used, Effect: EffectLive, Doc: "How long the secondary's disk may take before the primary goes on alone; a change holds from the next connection on. SafeKit's default is 100s."},
			{Name: "sendtimeout", Kind: KindDuration, Unit: "s", Default: "10s", Min: 1, Status: Used, Effect: EffectLive, Doc: "How long the secondary may say nothing before the primary goes on alone; a change holds from the next connection on. SafeKit's default is 30s."},
			{Name: "nbrei", Kind: KindNumber, Min: 1, Max: 1000, Default: "6", Status: Used, Effect: EffectLive, Live: true, Doc: "Files that are resynchronised at the same time; a change holds from the next resynchronisation on."},
			{Name: "reitimeout", Kind: KindDuration, Unit: "s", Default: "150s", Min: 1, Status: Ignored, Why: "locktimeout and sendtimeout hold then, too", Live: true, Doc: "How long an answer may take while files are resynchronised."},
			{Name: "reiallowedbw", Kind: KindNumber, Min: 1, Max: 1 << 30, Empty: true, Status: Used, Effect: EffectLive, Doc: "Limit for what a resynchronisation sends and a verification reads, in KB/s; without it there is none."},
			onOff("reidetail", "off", Attribute{Status: Ignored, Why: "the status tells the progress", Live: true, Doc: "Log each file that is resynchronised."}),
			{Name: "syncdelta", Kind: KindDuration, Unit: "m", Default: "0m", Status: Used, Effect: EffectLive, Doc: "A node whose data is out of date may start as primary without the other one if it was up to date within this time: what the other wrote since is then missing, and set aside on the other when it returns. 0: only primforce does that."},
			{Name: "syncat", Kind: KindTimes, Empty: true, Status: Used, Effect: EffectLive, Doc: "Synchronise at these times only, written as in a crontab: minute, hour, day of the month, month, day of the week. The secondary waits in between (WAIT, rfs.syncat is down), and what the primary writes is on one server only. Without it everything is replicated at once."},
			{Name: "verifyat", Kind: KindTimes, Empty: true, Status: Used, New: true, Effect: EffectLive, Doc: "Compare both copies at these times, written as in a crontab, while the application goes on."},
			onOff("scripts", "off", Attribute{Status: Used, Effect: EffectLive, Doc: "Call the module's bin/_rfs_callback (.lua, .sh or a program), which is told by its first argument, in Lua by ctx.action: _rfs_startsynch: this server's files are about to be overwritten; _rfs_pritoscd: the primary becomes secondary. Replication does not wait for it."}),
			{Name: "mountoversuffix", Kind: KindText, Default: "_For_SafeKit_Replication", Status: Used, Doc: "What is added to the name of a folder for the place where its files and what is known of them are kept."},
			{Name: "nfsbox_options", Kind: KindText, Default: "cross", Status: Ignored, Why: "a folder lies on one file system: what is mounted inside is refused", Doc: "cross: replicate what is mounted inside a folder too; nocross: do not."},
			onOff("mountover", "on", Attribute{Status: Ignored, Why: noRename, Doc: "Old."}),
		},
		Children: []Element{replicatedElement(),
			{Name: "flow", Status: Used, Effect: EffectLive, Once: true, Doc: "The network of replication: an old form of a heartbeat with ident=\"flow\".", Children: []Element{live(serverElement())},
				Attributes: []Attribute{{Name: "name", Kind: KindName, Status: Used, Live: true, Doc: "Its name in the cluster's configuration."}}},
		}}
	for _, a := range []Attribute{
		{Name: "packetsize", Why: noNFS}, {Name: "reipacketsize", Default: "8388608", Why: noNFS}, {Name: "reicommit", Default: "0", Why: noNFS},
		{Name: "ruzone_blocksize", Default: "8388608", Why: "zones have a size of their own"},
		{Name: "nbremconn", Default: "1", Why: "operations are sent in one order, over one connection"},
		{Name: "namespacepolicy", Default: "4", Why: "changed zones are known after every kind of stop"},
		{Name: "allocthreshold", Default: "0", Why: noDriver}, {Name: "roflags", Default: "0x10", Why: noDriver},
	} {
		a.Kind, a.Max, a.Status, a.Doc = KindNumber, 1<<40, Ignored, "Tuning of SafeKit's replication."
		e.Attributes = append(e.Attributes, a)
	}
	for _, a := range []Attribute{
		{Name: "iotimeout", Unit: "s", Default: "300s", Why: noDriver},
		{Name: "checktime", Unit: "ms", Default: "220000ms", Why: noNFS}, {Name: "checkintv", Unit: "s", Default: "120s", Why: noNFS},
	} {
		a.Kind, a.Status, a.Doc = KindDuration, Ignored, "Tuning of SafeKit's replication."
		e.Attributes = append(e.Attributes, a)
	}
	return e
}

func replicatedElement() Element {
	return Element{Name: "replicated", Status: Used, Required: true, Key: []string{"dir"}, Effect: EffectStop, Doc: "A folder.",
		Attributes: []Attribute{
			{Name: "dir", Kind: KindFolder, Required: true, Status: Used, Doc: "Its path."},
			{Name: "mode", Kind: KindChoice, Values: []string{"read_only"}, Default: "read_only", Status: Used, Doc: "On the secondary the folder can be read and not written to; what is read while it is brought up to date is partly old. It is empty while the module is stopped."},
			onOff("writeback", "off", Attribute{Status: Used, New: true, Effect: EffectStop, Doc: "on: the kernel gathers writes until the file is synced, closed or renamed, or for a second. Small writes without a sync are several times as fast. The secondary gets them in no particular order, as a disk does that loses power: right for programs that sync what they need, or close their files soon."}),
		},
		Children: []Element{
			{Name: "tocheck", Status: Used, Effect: EffectLive, Key: []string{"path"}, Doc: "A path in the folder that must exist before replication starts.",
				Attributes: []Attribute{{Name: "path", Kind: KindPath, Required: true, Status: Used, Doc: "The path."}}},
			{Name: "notreplicated", Status: Used, Effect: EffectLive, Key: []string{"path", "regexpath"}, Doc: "What is left out: one path, or all that a regular expression matches. It is each server's own. What is replicated after a change and was not before is compared at once.", Attributes: []Attribute{
				{Name: "path", Kind: KindPath, Status: Used, Doc: "Path in the folder."},
				{Name: "regexpath", Kind: KindRegex, Status: Used, Doc: "Regular expression for paths in the folder; with ! before it, what it does not match is left out."}}},
		}}
}
