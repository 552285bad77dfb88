package config

import (
	"net/netip"
	"time"

	"github.com/orchestrator-ha/orchestrator/core"
	"github.com/orchestrator-ha/orchestrator/core/diag"
)

// Module is a module's configuration, checked and complete: defaults filled
// in, macros expanded. It is not to be changed.
type Module struct {
	Name         string
	Mode         core.Mode
	Pos          diag.Position // of <service>
	Boot         string        // on, off, auto or ignore
	BootDelay    time.Duration
	MaxLoop      int
	LoopInterval time.Duration // 0: no limit
	Macros       []Macro       // by name
	Farm         Farm
	Interfaces   []Interface
	Groups       []Group
	TCPChecks    []TCPCheck
	Procs        []Proc
	User         User
	Hooks        []Hook // that will run, by name
}

// Farm is how the nodes work together.
type Farm struct {
	Lans         []Lan // empty: all networks of the cluster
	Fence        bool  // a node whose daemon is silent stops serving
	LeaveTimeout time.Duration
	SlowStart    time.Duration // until a node that comes back has its full share
}

// Lan names a network of the cluster.
type Lan struct {
	Name string
	Pos  diag.Position
}

// Interface is a network interface with the virtual addresses on it.
type Interface struct {
	Name      string // empty: the one whose network holds the addresses
	Directed  bool   // vmac_directed
	Addresses []Address
	Pos       diag.Position
}

// Address is a virtual address.
type Address struct {
	Addr netip.Addr
	Bits int // of the netmask; 0: that of the interface's network which holds Addr
	Pos  diag.Position
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

// Rule is traffic that is shared.
type Rule struct {
	Address netip.Addr // zero: every address of the module
	Port    uint16     // 0: every port
	Proto   string     // tcp or arp
	Filter  string     // on_addr or on_port
	Pos     diag.Position
}

// TCPCheck is a checker that connects.
type TCPCheck struct {
	Ident    string // the resource is tcp.Ident
	When     core.When
	Action   core.Verb
	Addr     netip.Addr
	Port     uint16
	Interval time.Duration
	Timeout  time.Duration
	Pos      diag.Position
}

// Resource is the name of the resource that the check publishes.
func (c TCPCheck) Resource() string { return "tcp." + c.Ident }

// Proc is a process or service that must run.
type Proc struct {
	Name      string // the resource is proc.Name
	Service   bool   // a systemd unit or Windows service
	NameRegex string // instead of Name, if not empty
	ArgRegex  string
	AtLeast   int // -1: no limit
	AtMost    int // -1: no limit
	When      core.When
	Action    core.Verb
	Poll      time.Duration // the longest time between two looks at the process list
	Grace     time.Duration // after the start, before the first judgement
	Pos       diag.Position
}

// Resource is the name of the resource that the watch publishes.
func (c Proc) Resource() string { return "proc." + c.Name }

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
		Shared:       len(m.Addresses()) > 0,
	}
	for _, h := range m.Hooks {
		c.Hooks[h.Name] = true
	}
	for _, t := range m.TCPChecks {
		c.Checks = append(c.Checks, core.Check{Resource: t.Resource(), When: t.When, Action: t.Action})
	}
	for _, p := range m.Procs {
		c.Checks = append(c.Checks, core.Check{Resource: p.Resource(), When: p.When, Action: p.Action})
	}
	return c
}
