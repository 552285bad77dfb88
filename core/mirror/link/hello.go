package link

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/orchestrator-ha/orchestrator/core"
	"github.com/orchestrator-ha/orchestrator/core/mirror"
)

// Protocol is the version of all that goes over a connection. Both nodes must have the same.
const Protocol = 2

// DefaultPort is the TCP port of replication.
const DefaultPort = 4802

// Purpose is what a connection is for.
type Purpose string

// The purposes.
const (
	Follow Purpose = "follow" // the dialer is secondary, and wants the stream
	Probe  Purpose = "probe"  // whether replication could work
)

// Hello is what a node says of itself and of its copy.
type Hello struct {
	Protocol int         `json:"protocol"`
	Release  string      `json:"release"` // of the program, for texts
	Cluster  string      `json:"cluster"`
	Node     core.NodeID `json:"node"`
	Module   string      `json:"module"`
	Purpose  Purpose     `json:"purpose,omitempty"` // of the dialer
	Settings Settings    `json:"settings"`

	Generations mirror.Generations `json:"generations"`
}

// Settings are what both nodes must have alike.
type Settings struct {
	Folders  []string `json:"folders"`
	Except   []string `json:"except,omitempty"` // what is not replicated
	Mode     string   `json:"mode"`
	ZoneSize int64    `json:"zone_size"`
}

// RefusedError says why one of the nodes does not want the connection.
type RefusedError struct {
	Reason string
	ByPeer bool // by the other node
}

func (e *RefusedError) Error() string {
	if e.ByPeer {
		return "the peer refuses the connection: " + e.Reason
	}
	return "the peer's connection is refused: " + e.Reason
}

// Check says why a node that says mine must not replicate with one that says theirs.
func Check(mine, theirs Hello) error {
	refuse := func(format string, args ...any) error { return &RefusedError{Reason: fmt.Sprintf(format, args...)} }
	a, b := mine.Settings, theirs.Settings
	switch {
	case mine.Protocol != theirs.Protocol:
		return refuse("node %d speaks version %d of the replication protocol (release %s), node %d version %d (release %s): install the same release on both",
			theirs.Node, theirs.Protocol, theirs.Release, mine.Node, mine.Protocol, mine.Release)
	case mine.Cluster != theirs.Cluster:
		return refuse("node %d belongs to cluster %s, node %d to cluster %s", theirs.Node, theirs.Cluster, mine.Node, mine.Cluster)
	case mine.Module != theirs.Module:
		return refuse("node %d speaks of module %s, node %d of %s", theirs.Node, theirs.Module, mine.Node, mine.Module)
	case !slices.Equal(a.Folders, b.Folders):
		return refuse("node %d replicates %s, node %d %s: apply the same configuration on both", theirs.Node, list(b.Folders), mine.Node, list(a.Folders))
	case !slices.Equal(a.Except, b.Except):
		return refuse("node %d leaves out %s, node %d %s: apply the same configuration on both", theirs.Node, list(b.Except), mine.Node, list(a.Except))
	case a.Mode != b.Mode:
		return refuse("node %d acknowledges in mode %s, node %d in mode %s: apply the same configuration on both", theirs.Node, b.Mode, mine.Node, a.Mode)
	case a.ZoneSize != b.ZoneSize:
		return refuse("node %d records zones of %d bytes, node %d of %d: install the same release on both", theirs.Node, b.ZoneSize, mine.Node, a.ZoneSize)
	}
	return nil
}

func list(s []string) string {
	if len(s) == 0 {
		return "nothing"
	}
	return strings.Join(s, ", ")
}

// message is one of the greeting's.
type message struct {
	Hello   *Hello `json:"hello,omitempty"`
	Refusal string `json:"refusal,omitempty"`
}

const maxMessage = 1 << 20

func write(w io.Writer, m message) error {
	b, err := json.Marshal(m)
	if err != nil {
		return err
	}
	_, err = w.Write(append(binary.BigEndian.AppendUint32(nil, uint32(len(b))), b...))
	return err
}

// read reads a message. An empty Hello stands for what is missing.
func read(r io.Reader) (message, error) {
	var head [4]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return message{}, err
	}
	n := binary.BigEndian.Uint32(head[:])
	if n > maxMessage {
		return message{}, errors.New("the peer does not speak the replication protocol")
	}
	b := make([]byte, n)
	if _, err := io.ReadFull(r, b); err != nil {
		return message{}, err
	}
	var m message
	if err := json.Unmarshal(b, &m); err != nil {
		return message{}, fmt.Errorf("the peer does not speak the replication protocol: %w", err)
	}
	if m.Refusal != "" {
		return m, &RefusedError{Reason: m.Refusal, ByPeer: true}
	}
	return m, nil
}
