package runner

import (
	"fmt"

	"github.com/orchestrator-ha/orchestrator/core"
)

// recordPair tells of the other node of a mirror. What it repeats is not worth
// an entry.
func recordPair(rec Record, in core.Instance, ev core.Event) (Record, bool) {
	name, was := in.PeerName(), in.Pair.Peer
	switch ev.Kind {
	case core.EventPeer:
		if ev.Peer == nil || in.Pair.Link == core.LinkHeard && ev.Peer.State == was.State && ev.Peer.Phase == was.Phase {
			return rec, false
		}
		rec.Text = fmt.Sprintf("%s is %s %s.", name, ev.Peer.State, ev.Peer.Phase)
		rec.Data = map[string]any{"state": ev.Peer.State, "phase": ev.Peer.Phase}
	case core.EventPeerLost:
		rec.Level = "warn"
		rec.Text = fmt.Sprintf("%s is lost%s.", name, colon(ev.Reason))
		rec.Data = map[string]any{"evidence": ev.Evidence}
	case core.EventLease:
		rec.Level = "warn"
		rec.Text = fmt.Sprintf("The lease of the virtual address of %s ran out on this node.", in.Module.Name)
	default:
		rec.Level = "debug"
		if ev.Name == string(core.ReplicaDegraded) || ev.Name == string(core.ReplicaLost) {
			rec.Level = "warn"
		}
		rec.Text = fmt.Sprintf("Replication: %s%s.", ev.Name, colon(ev.Reason))
		rec.Data = map[string]any{"name": ev.Name, "generation": ev.Generation.String()}
	}
	return rec, true
}

var replicaText = map[core.ReplicaOrder]string{
	core.ReplicatePrim:   "The data becomes writable on this node.",
	core.ReplicateSecond: "The data of this node follows the primary.",
	core.ReplicateStop:   "The data is no longer served on this node.",
}
