package control

import (
	"time"

	"github.com/orchestrator-ha/orchestrator/core"
	"github.com/orchestrator-ha/orchestrator/core/diag"
)

// Status is the state of all modules, as seen from one node.
type Status struct {
	Node    string         `json:"node"`
	Cluster string         `json:"cluster,omitempty"`
	Version string         `json:"version"`
	Modules []ModuleStatus `json:"modules"`
}

// ModuleStatus is one module on all nodes of the cluster.
type ModuleStatus struct {
	Name      string       `json:"name"`
	Mode      core.Mode    `json:"mode"`
	Signature string       `json:"signature"`
	Addresses []string     `json:"addresses,omitempty"`
	Nodes     []ModuleNode `json:"nodes"`
}

// ModuleNode is one module on one node.
type ModuleNode struct {
	Node        string             `json:"node"`
	Reachable   bool               `json:"reachable"`
	State       core.State         `json:"state"`
	Phase       core.Phase         `json:"phase"`
	Since       time.Time          `json:"since,omitzero"`
	Reason      string             `json:"reason,omitempty"`
	Drained     bool               `json:"drained"`
	Pair        *Pair              `json:"pair,omitempty"`   // of a mirror
	Share       float64            `json:"share"`            // of the first group, 0 to 1
	Shares      map[string]float64 `json:"shares,omitempty"` // by group
	Connections int                `json:"connections"`      // open to the virtual addresses
	Muted       []string           `json:"muted,omitempty"`  // watches that are switched off
	Boot        string             `json:"boot,omitempty"`   // whether it starts with the server: on, off, or auto, if it ran before
	Loop        Loop               `json:"loop"`             // the error counter
	Held        int                `json:"held"`             // buckets of other owners in which connections may be left
	Filter      []string           `json:"filter,omitempty"` // how each interface is filtered
	Resources   []core.Resource    `json:"resources,omitempty"`
	Signature   string             `json:"signature"`          // of the configuration in use
	Counters    map[string]uint64  `json:"counters,omitempty"` // packets by what became of them
	Packets     []PacketCount      `json:"packets,omitempty"`  // the same by group and class of bucket
}

// PacketCount is how many packets met the same end for the same reason. Those without
// a group met it before a bucket was asked for.
type PacketCount struct {
	Group   string `json:"group,omitempty"`
	Class   string `json:"class,omitempty"` // what the bucket was to the node: own, other, own-moving, other-moving
	Reason  string `json:"reason"`
	Packets uint64 `json:"packets"`
}

// Pair is what one node of a mirror knows of the two.
type Pair struct {
	Peer       string        `json:"peer"`               // the other node
	Link       string        `json:"link"`               // whether it is heard: heard, lost, or unknown: not yet
	Lost       string        `json:"lost,omitempty"`     // why it is lost
	PeerState  core.State    `json:"peer_state"`         // as it said last
	PeerPhase  core.Phase    `json:"peer_phase"`         //
	Generation string        `json:"generation"`         // of the data here: number.node
	Standing   core.Standing `json:"standing,omitempty"` // what is known of its worth
	UpToDate   bool          `json:"up_to_date"`         // this node may become primary as far as its data goes
	Replicated bool          `json:"replicated"`         // the module has data whose copies can differ
	Degraded   bool          `json:"degraded,omitempty"` // primary: replication failed here
	Failover   bool          `json:"failover"`           // the secondary takes over by itself
	Serves     bool          `json:"serves"`             // the virtual address is served here

	Replication *Replication `json:"replication,omitempty"`
}

// Loop is a module's error counter: Count automatic actions of the last Interval.
// One more than Max stops the module; with an Interval of 0 nothing is counted.
type Loop struct {
	Count    int       `json:"count"`
	Since    time.Time `json:"since,omitzero"` // the first of them
	Max      int       `json:"max"`
	Interval Duration  `json:"interval"`
}

// ModuleInfo is one installed module.
type ModuleInfo struct {
	Name      string            `json:"name"`
	Mode      core.Mode         `json:"mode"`
	Signature string            `json:"signature"`
	Version   string            `json:"version"` // of the configuration: counter.node
	Set       map[string]string `json:"set,omitempty"`
	Applied   time.Time         `json:"applied"`
	By        string            `json:"by"`
}

// Outcome answers a command that changed something.
type Outcome struct {
	Text     string        `json:"text"`
	Warnings diag.Problems `json:"warnings,omitempty"`
	Nodes    []NodeOutcome `json:"nodes,omitempty"`
	Changes  []Change      `json:"changes,omitempty"` // of a configuration
	Next     string        `json:"next,omitempty"`    // what to do now, in words
}

// NodeOutcome is what a command did on one node.
type NodeOutcome struct {
	Node  string `json:"node"`
	OK    bool   `json:"ok"`
	Idle  bool   `json:"idle,omitempty"` // OK, as no node was named and the module is not started here: there was nothing to do
	State string `json:"state,omitempty"`
	Text  string `json:"text,omitempty"`
}

// VerbRequest asks for a change of a module's state.
type VerbRequest struct {
	Nodes    []string `json:"nodes,omitempty"`    // empty: all
	Here     bool     `json:"here,omitempty"`     // this node alone, whatever Nodes says
	Identity string   `json:"identity,omitempty"` // of a script or checker that asks by itself: the command counts in maxloop, and what the operator wants stays as it is
	Wait     Duration `json:"wait,omitempty"`     // how long to wait for the end of the transition; 0 does not wait
}

// Duration is a time.Duration in JSON as text, e.g. "30s".
type Duration time.Duration

// MarshalText writes the duration.
func (d Duration) MarshalText() ([]byte, error) { return []byte(time.Duration(d).String()), nil }

// UnmarshalText reads the duration.
func (d *Duration) UnmarshalText(b []byte) error {
	v, err := time.ParseDuration(string(b))
	*d = Duration(v)
	return err
}

// InstallRequest goes with an archive: in the URL's query, so that the body is
// the archive alone.
type InstallRequest struct {
	Name    string
	Set     map[string]string
	Builtin string // name of a shipped module instead of an archive
	Archive []byte
	// StopStart stops and starts a module that is replaced, where that is needed.
	StopStart bool
}

// ClusterStatus is the cluster as one node sees it.
type ClusterStatus struct {
	ID         string            `json:"id,omitempty"`
	Name       string            `json:"name,omitempty"`
	Node       string            `json:"node,omitempty"` // the one that answers
	Hash       string            `json:"hash,omitempty"` // how clients are turned into buckets
	Nodes      []ClusterNode     `json:"nodes"`
	Signatures map[string]string `json:"signatures,omitempty"` // of each item here: "cluster", "module/NAME"
}

// ClusterNode is one member.
type ClusterNode struct {
	Name      string            `json:"name"`
	Number    core.NodeID       `json:"number"`
	Alive     bool              `json:"alive"`
	Member    string            `json:"member"` // what gossip says: alive, suspect, dead, left
	Since     time.Time         `json:"since,omitzero"`
	Evidence  string            `json:"evidence,omitempty"`
	Addresses map[string]string `json:"addresses"`
	Current   bool              `json:"current"` // uses the same configuration as this node
	Stale     []string          `json:"stale,omitempty"`
}

// InitRequest begins a cluster with this node.
type InitRequest struct {
	Cluster   string            `json:"cluster"`
	Name      string            `json:"name"`
	Addresses map[string]string `json:"addresses"`       // by network; "" is the network default
	Local     map[string]string `json:"local,omitempty"` // likewise: what this node itself has, where others know another address of it (NAT)
	Hash      string            `json:"hash,omitempty"`  // keyed or low_bits; empty: keyed where the node's filter can
}

// TokenReply is a one-time join token.
type TokenReply struct {
	Token   string    `json:"token"`
	Expires time.Time `json:"expires"`
	Command string    `json:"command"` // what to type on the new node
}

// JoinRequest makes this node a member of a cluster.
type JoinRequest struct {
	Token     string            `json:"token"`
	Name      string            `json:"name"`
	Addresses map[string]string `json:"addresses"`
	Local     map[string]string `json:"local,omitempty"` // see InitRequest
	Peer      string            `json:"peer"`            // a member: host or host:port
}

// LogQuery chooses journal entries.
type LogQuery struct {
	Module string
	Since  time.Time
	Types  []string
	Level  string // this or more serious: debug, info, warn, error
	Grep   string
	After  int64 // only entries with a higher ID, the oldest first
	Limit  int
	Follow bool
}

// LogEntry is one journal entry.
type LogEntry struct {
	ID     int64     `json:"id"`
	Time   time.Time `json:"time"`
	Module string    `json:"module,omitempty"`
	Kind   string    `json:"kind"`
	Level  string    `json:"level"`
	Text   string    `json:"text"`
	Cause  int64     `json:"cause,omitempty"`
	Output string    `json:"output,omitempty"` // what a hook printed
}

// Why is the story of a module's last change.
type Why struct {
	Text  string     `json:"text"`
	Chain []LogEntry `json:"chain"`
}

// PluginInfo is one plugin.
type PluginInfo struct {
	Kind     string    `json:"kind"`
	Name     string    `json:"name"`
	Version  string    `json:"version,omitempty"`
	Summary  string    `json:"summary,omitempty"`
	State    string    `json:"state"`
	PID      int       `json:"pid,omitempty"`
	Restarts int       `json:"restarts"`
	Since    time.Time `json:"since,omitzero"`
	Error    string    `json:"error,omitempty"`
}
