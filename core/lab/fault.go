package lab

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Verb names what a fault does.
type Verb string

const (
	Kill      Verb = "kill"      // SIGKILL of the daemon; All: of every process of the node
	Stop      Verb = "stop"      // SIGTERM of the daemon
	Pause     Verb = "pause"     // SIGSTOP of the daemon; All: of every process of the node
	Resume    Verb = "resume"    // SIGCONT of every process of the node
	Cut       Verb = "cut"       // the node's switch port goes down: no carrier
	Unplug    Verb = "unplug"    // the node's network card goes away, with all that it has
	Heal      Verb = "heal"      // card, cable, partition, paused processes, a dead daemon: all well again
	Partition Verb = "partition" // groups that do not reach each other
)

// Fault is one thing that goes wrong in a lab, or right again.
type Fault struct {
	Verb Verb `json:"verb"`
	// Nodes are the nodes it happens to, or Client for Cut and Heal. For Heal
	// none means everything.
	Nodes []string `json:"nodes,omitempty"`
	// All extends Kill and Pause from the daemon to every process of the node, as
	// when the machine itself dies or freezes.
	All bool `json:"all,omitempty"`
	// Network is the one of a Cut or Unplug, 1 or 2; 0 for all.
	Network int `json:"network,omitempty"`
	// Groups are the sides of a Partition. Who is not named stays on the first.
	Groups [][]string `json:"groups,omitempty"`
}

// ParsePartition reads "n1,n2|n3,client": sides separated by bars, members by
// commas.
func ParsePartition(text string) (Fault, error) {
	fault := Fault{Verb: Partition}
	for side := range strings.SplitSeq(text, "|") {
		var group []string
		for member := range strings.SplitSeq(side, ",") {
			if member = strings.TrimSpace(member); member != "" {
				group = append(group, member)
			}
		}
		if len(group) == 0 {
			return Fault{}, fmt.Errorf("partition %q has an empty side: write sides such as n1,n2|n3,client", text)
		}
		fault.Groups = append(fault.Groups, group)
	}
	return fault, nil
}

// check says whether the fault makes sense in a lab of so many nodes and networks.
func (f Fault) check(nodes, networks int) error {
	known := func(name string) bool {
		number := nodeNumber(name)
		return number > 0 && number <= nodes
	}
	switch f.Verb {
	case Kill, Stop, Pause, Resume, Unplug:
		if len(f.Nodes) == 0 {
			return fmt.Errorf("%s which node? name one or more of n1 to n%d", f.Verb, nodes)
		}
	case Cut:
		if len(f.Nodes) == 0 {
			return fmt.Errorf("cut which cable? name one or more of n1 to n%d, or %s", nodes, Client)
		}
	case Heal:
	case Partition:
		return checkGroups(f.Groups, known)
	default:
		return fmt.Errorf("unknown fault %q", f.Verb)
	}
	if f.Network < 0 || f.Network > networks {
		return fmt.Errorf("no network %d in this lab: it has %d (lab up --networks 2 makes two)", f.Network, networks)
	}
	cable := f.Verb == Cut || f.Verb == Heal
	for _, name := range f.Nodes {
		if !known(name) && !(cable && name == Client) {
			return fmt.Errorf("no node %q in this lab: its nodes are n1 to n%d", name, nodes)
		}
	}
	return nil
}

func checkGroups(groups [][]string, known func(string) bool) error {
	if len(groups) < 2 {
		return errors.New("a partition has two sides or more, such as n1,n2|n3,client")
	}
	var seen []string
	for _, member := range slices.Concat(groups...) {
		if !known(member) && member != Client {
			return fmt.Errorf("no node %q in this lab", member)
		}
		if slices.Contains(seen, member) {
			return fmt.Errorf("%s is named on two sides", member)
		}
		seen = append(seen, member)
	}
	return nil
}
