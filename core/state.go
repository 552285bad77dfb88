package core

import "fmt"

// NodeID is the number of a node in its cluster, 1 to MaxNodes. It is given
// once, when the node joins, and never given to another node while the first is
// a member. 0 means no node.
type NodeID uint8

// MaxNodes is the largest number of nodes in a cluster: node sets are 64-bit
// masks wherever they travel.
const MaxNodes = 64

// Mode says what a module makes of its servers.
type Mode string

const (
	Farm   Mode = "farm"   // all nodes active behind one virtual address
	Mirror Mode = "mirror" // one primary, one secondary, replicated files
	Light  Mode = "light"  // one node, checked and restarted
)

// State is the state of a module on one node, as SafeKit's users know them.
type State int

const (
	Stop   State = iota // stopped, ready to start
	Wait                // starting, stopping, or blocked until a resource is up
	Up                  // farm and light: active
	Alone               // mirror: primary without secondary
	Prim                // mirror: primary with a secondary
	Second              // mirror: secondary
)

var stateNames = [...]string{"STOP", "WAIT", "UP", "ALONE", "PRIM", "SECOND"}

func (s State) String() string {
	if s < 0 || int(s) >= len(stateNames) {
		return fmt.Sprintf("State(%d)", int(s))
	}
	return stateNames[s]
}

// MarshalText writes the state's name.
func (s State) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText reads a state's name.
func (s *State) UnmarshalText(b []byte) error {
	for i, name := range stateNames {
		if name == string(b) {
			*s = State(i)
			return nil
		}
	}
	return fmt.Errorf("unknown state %q", b)
}

// Phase says how settled a state is.
type Phase string

const (
	Ready     Phase = "Ready"     // stable
	Transient Phase = "Transient" // on the way: hooks run
	NotReady  Phase = "NotReady"  // blocked: stopped, or waiting for a resource
)
