package core

import "time"

// ActionKind tells actions apart.
type ActionKind string

const (
	ActHook        ActionKind = "hook"         // run Hook; answers EventHook
	ActNetworkUp   ActionKind = "network-up"   // filter attached with its gate closed, addresses set; answers EventNetwork
	ActNetworkDown ActionKind = "network-down" // addresses and filter removed; answers EventNetwork
	ActShare       ActionKind = "share"        // Share order; answers EventShare with Name = the order
	ActChecks      ActionKind = "checks"       // Start or stop the checks of When
	ActTimer       ActionKind = "timer"        // set (After > 0) or cancel timer Name; answers EventTimer
	ActResource    ActionKind = "resource"     // publish Resource; state.local tells the state entered, with State and Phase
	ActCancel      ActionKind = "cancel"       // end the hook that runs now; it answers as failed
	ActPublish     ActionKind = "publish"      // mirror: tell the peer Peer, with each heartbeat until the next
	ActReboot      ActionKind = "reboot"       // restart the machine; what starts the module then is boot
	ActRenew       ActionKind = "renew"        // Version of the configuration is taken over: checks, rules, files, shares
	ActNetworkNew  ActionKind = "network-new"  // addresses and filter become those of the configuration, what stays untouched; answers EventNetwork
	ActReplicate   ActionKind = "replicate"    // mirror: Replica order; answers EventReplica with Name = the order
)

// ShareOrder asks for a change of this node's share of the connections.
type ShareOrder string

const (
	ShareOpen     ShareOrder = "open"     // ready for traffic; answered at once
	ShareLeave    ShareOrder = "leave"    // hand everything over by plan; answered when no bucket is owned here
	ShareWithdraw ShareOrder = "withdraw" // take no new connection from now on; answered at once
	ShareDrain    ShareOrder = "drain"    // as leave, but stay ready; answered when no bucket is owned here
	ShareUndrain  ShareOrder = "undrain"  // take a share again; answered at once
)

// ReplicaOrder asks replication for a change of this node's part in it.
type ReplicaOrder string

const (
	ReplicatePrim   ReplicaOrder = "prim"   // data writable here; the peer may connect
	ReplicateSecond ReplicaOrder = "second" // follow the primary: copy what is missing, then each write
	ReplicateStop   ReplicaOrder = "stop"   // data writable by nobody
)

// HookCall is one run of a hook with the arguments that hooks get.
type HookCall struct {
	Name     string // start_both, stop_both, prestart, …
	Force    bool   // the second, forced call of a stop hook
	From     State
	To       State
	Verb     Verb   // start, stop, stopstart, restart or wait
	Services string // of a restart: the services that it is about, with commas between; empty: all
	Timeout  time.Duration
}

// Action is an effect that Step asks for. Actions are carried out in order;
// those that "answer" send an event when they are done, and Step asks for at
// most one of these at a time, so that hooks of a module never overlap. Only a
// share order that waits (ShareLeave, ShareDrain) may be replaced by another
// order before it has answered; its answer is then not expected any more.
type Action struct {
	Kind     ActionKind
	Hook     HookCall
	Share    ShareOrder
	Name     string        // timer
	After    time.Duration // timer; 0 cancels it
	When     When          // checks
	Start    bool          // checks: start (true) or stop
	Resource Resource
	Replica  ReplicaOrder
	Full     bool       // replicate second: copy everything, whatever is known to be the same
	Version  string     // renew
	Lease    bool       // network-up: the address serves only while the daemon renews its lease
	Peer     *PeerState // publish
	State    State      // resource state.local
	Phase    Phase      // resource state.local
	Reason   string     // why, in words
	Cause    int64      // journal entry of what began this: the Cause of an event; 0 is unknown
}
