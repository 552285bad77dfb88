package lab

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// What every lab looks like. The addresses are the same in all labs: their
// namespaces keep them apart.
const (
	DefaultName = "lab"
	DefaultRoot = "/var/lib/orchestrator-lab" // labs live in folders below it
	DefaultPort = 9010                        // console and API of a daemon
	MaxNodes    = 32
	Client      = "client" // the name of the client, where a node's name is asked for
	Far         = "far"    // the name of the client behind the router
	Router      = "router"

	maxClientAddresses = 16
	switchName         = "switch"
	maxMTU             = 9000
	// FarMTU is what fits through the cable from the router to the far client. It is
	// above the least of IPv6 (RFC 8200, section 5: 1280).
	FarMTU = 1300
)

// Options say how a lab is built. The zero value of each field but Program is
// usable.
type Options struct {
	Name  string `json:"name"`  // lower-case letters and digits, at most 12; DefaultName
	Nodes int    `json:"nodes"` // 1 to MaxNodes; 3
	Root  string `json:"root"`  // folder that holds the labs' folders; DefaultRoot

	// Program is the orchestrator's binary, an absolute path. Each node runs it
	// with Args ("daemon" when nil) and Env beside the caller's environment.
	Program string   `json:"program"`
	Args    []string `json:"args,omitempty"`
	Env     []string `json:"env,omitempty"`

	// NoCluster leaves the daemons alone after starting them; the nodes are then
	// not joined.
	NoCluster bool `json:"no_cluster,omitempty"`
	// Hash is the cluster's hash function, keyed or low_bits; empty leaves the choice to
	// the program.
	Hash string `json:"hash,omitempty"`
	// ClientAddresses is the number of further addresses of the client (10.77.0.201
	// and fd77::201 and up, at most 16), to spread connections over.
	ClientAddresses int `json:"client_addresses,omitempty"`
	// MTU of all cables in bytes, 1280 to 9000; 1500.
	MTU int `json:"mtu,omitempty"`
	// Offloads leaves it to the cables' ends to cut packets and to sum them up, as network
	// cards do. A node's filter cannot work with it.
	Offloads bool `json:"offloads,omitempty"`
	// Networks is the number of networks that the nodes are on, 1 or 2; 1. The
	// cluster uses all of them.
	Networks int `json:"networks,omitempty"`
	// WithRouter adds a router and a client behind it, Far. The cable between these
	// two carries FarMTU bytes, less than the others.
	WithRouter bool `json:"with_router,omitempty"`
	// HostPort is the port of the host's 127.0.0.1 that leads to node 1's console.
	// 0 takes DefaultPort, or a free one when that is busy; a negative value none.
	HostPort int `json:"host_port,omitempty"`
	// Grace is how long Close lets daemons stop by themselves; 3 s.
	Grace time.Duration `json:"grace,omitempty"`
	// FormWithin limits the time from the first daemon's start to a complete
	// cluster; 60 s.
	FormWithin time.Duration `json:"form_within,omitempty"`

	// AttachPass puts a program that lets every frame pass on a link, in the
	// network namespace of the calling thread. Without one at the switch's end, a
	// frame that a node's filter sends back out of its veth is lost. Nil: none is
	// attached.
	AttachPass func(ifindex int) (io.Closer, error) `json:"-"`
	// CleanNode removes what a node's daemon keeps outside its home, such as pinned
	// BPF objects. It is called when the daemon is dead and before its home is
	// removed. Nil: nothing to clean.
	CleanNode func(home string) error `json:"-"`
	// Progress is told each step of the building. Nil: nobody is.
	Progress func(step string) `json:"-"`
	// Log receives what the lab does; nil discards.
	Log *slog.Logger `json:"-"`
}

var labName = regexp.MustCompile(`^[a-z][a-z0-9]{0,11}$`)

// complete fills in defaults and checks the rest.
func (o Options) complete() (Options, error) {
	o.Name = cmp.Or(o.Name, DefaultName)
	o.Nodes = cmp.Or(o.Nodes, 3)
	o.Root = cmp.Or(o.Root, DefaultRoot)
	o.MTU = cmp.Or(o.MTU, 1500)
	o.Networks = cmp.Or(o.Networks, 1)
	o.Grace = cmp.Or(o.Grace, 3*time.Second)
	o.FormWithin = cmp.Or(o.FormWithin, time.Minute)
	if o.Args == nil {
		o.Args = []string{"daemon"}
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return o, o.check()
}

func (o Options) check() error {
	if err := checkName(o.Name); err != nil {
		return err
	}
	if o.Nodes < 1 || o.Nodes > MaxNodes {
		return fmt.Errorf("a lab has 1 to %d nodes, not %d", MaxNodes, o.Nodes)
	}
	if o.ClientAddresses < 0 || o.ClientAddresses > maxClientAddresses {
		return fmt.Errorf("the client has 0 to %d further addresses, not %d", maxClientAddresses, o.ClientAddresses)
	}
	if o.MTU < 1280 || o.MTU > maxMTU {
		return fmt.Errorf("an MTU of %d bytes: use 1280 to %d", o.MTU, maxMTU)
	}
	if o.Networks < 1 || o.Networks > 2 {
		return fmt.Errorf("a lab has 1 or 2 networks, not %d", o.Networks)
	}
	if o.HostPort > 65535 {
		return fmt.Errorf("host port %d is above 65535", o.HostPort)
	}
	if !filepath.IsAbs(o.Program) {
		return fmt.Errorf("the program %q of the lab's nodes must be an absolute path", o.Program)
	}
	// The path of a unix socket ends at 107 characters (unix(7)).
	if sock := filepath.Join(o.place().home("n99"), "orchestrator.sock"); len(sock) > 107 {
		return fmt.Errorf("the lab's folder %s is too deep for a unix socket: choose a shorter one", o.place().dir)
	}
	return nil
}

func checkName(name string) error {
	if !labName.MatchString(name) {
		return fmt.Errorf("lab name %q: use up to 12 lower-case letters and digits, a letter first", name)
	}
	return nil
}

func (o Options) place() place {
	return place{name: o.Name, dir: filepath.Join(o.Root, o.Name)}
}

// place knows the names and paths of one lab.
type place struct{ name, dir string }

func placeOf(root, name string) (place, error) {
	name = cmp.Or(name, DefaultName)
	if err := checkName(name); err != nil {
		return place{}, err
	}
	return place{name: name, dir: filepath.Join(cmp.Or(root, DefaultRoot), name)}, nil
}

func (p place) namespace(member string) string { return "orch-" + p.name + "-" + member }
func (p place) home(node string) string        { return filepath.Join(p.dir, node, "home") }
func (p place) logFile(node string) string     { return filepath.Join(p.dir, node, "daemon.log") }
func (p place) control() string                { return filepath.Join(p.dir, "control.sock") }
func (p place) settings() string               { return filepath.Join(p.dir, "lab.json") }
func (p place) lock() string                   { return filepath.Join(p.dir, "owner.lock") }
func (p place) holdLog() string                { return filepath.Join(p.dir, "hold.log") }
func (p place) bin() string                    { return filepath.Join(p.dir, "bin") }
func (p place) socket(node string) string      { return filepath.Join(p.home(node), "orchestrator.sock") }
func (p place) environment(node string) []string {
	return []string{"ORCHESTRATOR_HOME=" + p.home(node)}
}

// owns says whether a namespace belongs to this lab and to no other.
func (p place) owns(namespace string) bool {
	member, ok := strings.CutPrefix(namespace, "orch-"+p.name+"-")
	if !ok {
		return false
	}
	return slices.Contains([]string{Client, Far, Router, switchName}, member) || nodeNumber(member) > 0
}

func nodeName(number int) string { return "n" + strconv.Itoa(number) }

// nodeNumber is 0 when the name is not a node's.
func nodeNumber(name string) int {
	digits, ok := strings.CutPrefix(name, "n")
	if !ok {
		return 0
	}
	number, err := strconv.Atoi(digits)
	if err != nil || number < 1 || number > MaxNodes || nodeName(number) != name {
		return 0
	}
	return number
}

var errNotRunning = errors.New("is not running")
