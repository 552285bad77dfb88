package config

import (
	"encoding/json"
	"net/netip"
	"strings"
	"time"

	"github.com/orchestrator-ha/orchestrator/core"
	"github.com/orchestrator-ha/orchestrator/core/diag"
)

// Checker is what all checkers have.
type Checker struct {
	Ident  string // the resource is KIND.Ident
	When   core.When
	Action core.Verb
	Pos    diag.Position
}

// TCPCheck is a checker that connects.
type TCPCheck struct {
	Checker
	Addr     string // or a name
	Port     uint16
	Interval time.Duration
	Timeout  time.Duration
}

// PingCheck is a checker that sends ICMP echo requests.
type PingCheck struct {
	Checker
	Addr     string // or a name
	Interval time.Duration
	Timeout  time.Duration
}

// IntfCheck watches a network interface: the one that has an address, or whose
// network holds it, or the one of that name.
type IntfCheck struct {
	Checker
	Addr netip.Addr
	Name string // instead of Addr, if not empty
}

// IPCheck watches an address of this node.
type IPCheck struct {
	Checker
	Addr     netip.Addr
	Interval time.Duration
}

// CustomCheck is a checker that the module brings.
type CustomCheck struct {
	Checker
	Exec     string // program in bin/
	Args     []string
	Interval time.Duration // from one start to the next, if it ends
	Timeout  time.Duration // of its silence; 0: for ever
}

// ModuleCheck watches another module.
type ModuleCheck struct {
	Checker
	Module   string
	Addr     string // or name, of a node that has it
	Port     uint16
	Interval time.Duration
	Timeout  time.Duration
}

// HTTPCheck is a checker that asks a web server.
type HTTPCheck struct {
	Checker
	URL      string
	Method   string
	Headers  map[string]string
	Status   string // codes that are good: 200 300-399
	Body     string // pattern that the body must match; empty: none
	Verify   bool   // the server's certificate must be good
	CA       string // file of the module with the certificates to trust; empty: the machine's
	Interval time.Duration
	Timeout  time.Duration
}

// DNSCheck is a checker that asks a name server.
type DNSCheck struct {
	Checker
	Server   netip.Addr
	Port     uint16
	Name     string
	Type     string
	Answer   string // pattern that one record must match; empty: any will do
	Interval time.Duration
	Timeout  time.Duration
}

// SQLCheck is a checker that asks a database server.
type SQLCheck struct {
	Checker
	Driver       string
	Addr         string // or a name
	Port         uint16 // 0: the driver's usual one
	Socket       string // instead of Addr and Port, if not empty
	Database     string
	User         string
	PasswordFile string // on each node; empty: no password
	TLS          string // off, on or verify
	CA           string // file of the module
	Query        string
	Answer       string // pattern that the answer must match; empty: any will do
	Interval     time.Duration
	Timeout      time.Duration
}

// PluginCheck is a checker that this package does not know.
type PluginCheck struct {
	Checker
	Name     string // of the checker, and of the class of the resource
	Settings map[string]json.RawMessage
	Interval time.Duration
	Timeout  time.Duration
}

// SplitBrain asks witnesses whether a node that lost its peer may go on.
type SplitBrain struct {
	Checker
	Witnesses []Witness
}

// Witness is who is asked, and how: HTTP, else TCP if there is a port, else ping.
type Witness struct {
	Ident    string // the resource is splitbrain.Ident
	Addr     netip.Addr
	Port     uint16
	HTTP     *HTTPCheck // without what all checkers have
	Interval time.Duration
	Timeout  time.Duration
}

// Proc is a process or service that must run.
type Proc struct {
	Name      string // the resource is proc.Name
	Service   bool   // a systemd unit or Windows service
	NameRegex string // instead of Name, if not empty
	ArgRegex  string
	AtLeast   int // -1: no limit
	AtMost    int // -1: no limit
	When      core.When
	Class     string // of the module's own: a hook says when it runs; When is empty
	Action    core.Verb
	Handler   string        // program in bin/ that is run instead of Action
	Services  []string      // that a restart is about
	Poll      time.Duration // the longest time between two looks at the process list
	Grace     time.Duration // after the start, before the first judgement
	Pos       diag.Position
}

// Resource is the name of the resource that the check publishes.
func (c TCPCheck) Resource() string { return "tcp." + c.Ident }

// Resource is the name of the resource that the check publishes.
func (c PingCheck) Resource() string { return "ping." + c.Ident }

// Resource is the name of the resource that the check publishes.
func (c IntfCheck) Resource() string { return "intf." + c.Ident }

// Resource is the name of the resource that the check publishes.
func (c IPCheck) Resource() string { return "ip." + c.Ident }

// Resource is the name of the resource that the check publishes.
func (c CustomCheck) Resource() string { return "custom." + c.Ident }

// Resource is the name of the resource that the check publishes.
func (c ModuleCheck) Resource() string { return "module." + c.Ident }

// Resource is the name of the resource that the check publishes.
func (c HTTPCheck) Resource() string { return "http." + c.Ident }

// Resource is the name of the resource that the check publishes.
func (c DNSCheck) Resource() string { return "dns." + c.Ident }

// Resource is the name of the resource that the check publishes.
func (c SQLCheck) Resource() string { return "sql." + c.Ident }

// Resource is the name of the resource that the check publishes.
func (c PluginCheck) Resource() string { return c.Name + "." + c.Ident }

// Resource is the name of the resource that the watch publishes.
func (c Proc) Resource() string { return "proc." + c.Name }

// Resource is the name of the resource that the witness publishes.
func (w Witness) Resource() string { return "splitbrain." + w.Ident }

// WitnessReached is the resource that tells of all witnesses together.
const WitnessReached = "splitbrain.uptodate"

// Resources are the names of the resources that the witnesses publish.
func (s SplitBrain) Resources() []string {
	var out []string
	for _, w := range s.Witnesses {
		out = append(out, w.Resource())
	}
	return out
}

// Witnesses are those of a mirror that has some.
func (m *Module) Witnesses() []Witness {
	if m.SplitBrain == nil {
		return nil
	}
	return m.SplitBrain.Witnesses
}

// Checks are all checkers, as the state machine knows them.
func (m *Module) Checks() []core.Check {
	var all []core.Check
	add := func(kind string, c Checker) {
		all = append(all, core.Check{Resource: kind + "." + c.Ident, When: c.When, Action: c.Action})
	}
	for _, c := range m.TCPChecks {
		add("tcp", c.Checker)
	}
	for _, c := range m.PingChecks {
		add("ping", c.Checker)
	}
	for _, c := range m.IntfChecks {
		add("intf", c.Checker)
		all[len(all)-1].Outside = true
	}
	for _, c := range m.IPChecks {
		add("ip", c.Checker)
	}
	for _, c := range m.CustomChecks {
		add("custom", c.Checker)
	}
	for _, c := range m.ModuleChecks {
		add("module", c.Checker)
	}
	for _, c := range m.HTTPChecks {
		add("http", c.Checker)
	}
	for _, c := range m.DNSChecks {
		add("dns", c.Checker)
	}
	for _, c := range m.SQLChecks {
		add("sql", c.Checker)
	}
	for _, c := range m.PluginChecks {
		add(c.Name, c.Checker)
	}
	if m.SplitBrain != nil { // what their silence means, the state machine knows
		for _, resource := range m.SplitBrain.Resources() {
			all = append(all, core.Check{Resource: resource, When: core.WhenPre, Action: core.VerbNone})
		}
	}
	for _, c := range m.Procs {
		all = append(all, core.Check{Resource: c.Resource(), When: c.When, Action: c.Action, Services: strings.Join(c.Services, ", ")})
	}
	return all
}
