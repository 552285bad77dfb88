package config

import (
	"net/netip"
	"time"

	"github.com/orchestrator-ha/orchestrator/core"
	"github.com/orchestrator-ha/orchestrator/core/diag"
	"github.com/orchestrator-ha/orchestrator/core/share"
)

// Module is a module's configuration, checked and complete: defaults filled
// in, macros expanded. It is not to be changed.
type Module struct {
	Name            string
	Mode            core.Mode
	Pos             diag.Position // of <service>
	Boot            string        // on, off, auto or ignore
	BootDelay       time.Duration
	Failover        bool   // mirror: the secondary takes over by itself
	DefaultPrim     string // mirror: alone, lastprim, or a node's name
	MaxLoop         int
	LoopInterval    time.Duration // 0: no limit
	AutomaticReboot bool
	Macros          []Macro // by name
	Heart           Heart   // mirror
	Farm            Farm    // farm
	Interfaces      []Interface
	Groups          []Group // farm
	Rfs             *Rfs    // mirror; nil: nothing is replicated
	VirtualHosts    []VirtualHost
	Checkers        []Checker
	SplitBrain      *SplitBrain // mirror; nil: there is no witness
	Procs           []Proc
	Rules           FailoverRules
	User            User
	Hooks           []Hook // that will run, by name
	doc             *document
	expanded        string
}

// Farm is how the nodes work together.
type Farm struct {
	Lans         []Lan // empty: all networks of the cluster
	Fence        bool  // a node whose daemon is silent stops serving
	LeaveTimeout time.Duration
	SlowStart    time.Duration // until a node that comes back has its full share
	Scripts      bool          // the module's scripts let traffic in: vip/scriptcontrol
}

// Lan names a network of the cluster.
type Lan struct {
	Name string // empty if only Addresses tell which it is
	// Addresses are those of some nodes on it, by a form older than the cluster's
	// own configuration.
	Addresses []string
	Pos       diag.Position
}

// Heart is how the two nodes of a mirror watch each other.
type Heart struct {
	Timeout  time.Duration // silence after which the peer is lost
	Networks []HeartNetwork
}

// HeartNetwork is a network that the heartbeat uses.
type HeartNetwork struct {
	Lan
	Ident   string        // the resource is heartbeat.Ident; flow: replication uses it
	Timeout time.Duration // as that of Heart
}

// FailoverRules turn resources into actions.
type FailoverRules struct {
	Extends    bool // the built-in rules hold too
	HandleTime time.Duration
	Texts      []RuleText
}

// RuleText are rules in one language.
type RuleText struct {
	Lua  bool
	Text string
	Pos  diag.Position // of its first character
}

// Interface is a network interface with the virtual addresses on it.
type Interface struct {
	Name      string // empty: the one whose network holds the addresses
	Directed  bool   // vmac_directed; false is vmac_invisible
	Addresses []Address
	Pos       diag.Position
}

// Address is a virtual address.
type Address struct {
	Addr  netip.Addr
	Bits  int       // of the netmask; 0: that of the interface's network which holds Addr
	MAC   share.MAC // vmac_invisible: the virtual MAC that it is answered with; zero if directed
	Where string    // alias (farm), one_side_alias or one_side (mirror)
	Check bool      // refuse and report machines that have it besides the nodes
	Pos   diag.Position
}

// Group is a set of rules with one table of owners.
type Group struct {
	Name  string
	Hosts []Host // nodes that are not named have power 1
	Rules []Rule
	Pos   diag.Position
}

// Host is a node's power within a group.
type Host struct {
	Name  string
	Power int
	Pos   diag.Position
}

// Rule is traffic that is shared. Of two rules that cover a packet, one for its
// port goes before one for all ports; then one for its address before one for
// all addresses.
type Rule struct {
	Address netip.Addr // zero: every address of the module
	Port    uint16     // 0: every port
	Proto   string     // tcp, udp or arp, which also means neighbour discovery
	Filter  string     // on_addr, on_port, or for udp over IPv4 on_ipid
	Pos     diag.Position
}

// User is how hooks run.
type User struct {
	Vars         map[string]string
	StartTimeout time.Duration
	NiceTimeout  time.Duration
	ForceTimeout time.Duration
}

// Hook is a hook of the module.
type Hook struct {
	Name string // start_both
	File string // bin/start_both.lua
}

// Addresses are all virtual addresses of the module.
func (m *Module) Addresses() []Address {
	var out []Address
	for _, i := range m.Interfaces {
		out = append(out, i.Addresses...)
	}
	return out
}

// Core is the part that the state machine needs.
func (m *Module) Core() core.Module {
	c := core.Module{
		Name: m.Name, Mode: m.Mode,
		MaxLoop: m.MaxLoop, LoopInterval: m.LoopInterval,
		Hooks:        map[string]bool{},
		StartTimeout: m.User.StartTimeout, NiceTimeout: m.User.NiceTimeout, ForceTimeout: m.User.ForceTimeout,
		LeaveTimeout: m.Farm.LeaveTimeout,
		Checks:       m.Checks(),
		Shared:       len(m.Addresses()) > 0,
		Reboot:       m.AutomaticReboot,
		Closed:       m.Farm.Scripts,
	}
	if m.Mode == core.Mirror {
		c.Mirror = m.mirror()
	}
	for _, h := range m.Hooks {
		c.Hooks[h.Name] = true
	}
	return c
}

// mirror is what the state machine needs of a mirror, but for what the host
// knows alone: which nodes the pair is, and how long a start listens for a peer.
func (m *Module) mirror() core.MirrorConfig {
	c := core.MirrorConfig{FailoverOff: !m.Failover, LastPrim: m.DefaultPrim == "lastprim", Replicated: m.Rfs != nil}
	if m.Rfs != nil {
		c.SyncDelta = m.Rfs.SyncDelta
	}
	if m.SplitBrain != nil && m.SplitBrain.Action != core.VerbNone {
		c.Witnesses = m.SplitBrain.Resources()
	}
	return c
}
