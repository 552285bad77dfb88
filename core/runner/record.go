package runner

import (
	"fmt"
	"time"

	"github.com/orchestrator-ha/orchestrator/core"
)

// kindOf says under which kind an event is journalled.
func kindOf(ev core.Event) string {
	switch ev.Kind {
	case core.EventTimer:
		return string(core.EventShare) // the only one that is journalled limits share orders
	case core.EventPeerLost, core.EventLease:
		return string(core.EventPeer)
	}
	return string(ev.Kind)
}

// recordEvent tells of an event, before the step that it leads to. The repeated
// or belated news of a resource are not worth an entry.
func (r *Runner) recordEvent(in core.Instance, ev core.Event) (Record, bool) {
	rec := Record{Time: ev.At, Kind: kindOf(ev), Level: "info", Cause: ev.Cause}
	name := in.Module.Name
	switch ev.Kind {
	case core.EventCommand:
		who := ev.By
		if who == "" {
			who = ev.Identity
		}
		if who == "" {
			who = "an operator"
		}
		rec.Text = fmt.Sprintf("%s asks for %s of %s%s.", who, ev.Verb, name, colon(ev.Reason))
		rec.Data = map[string]any{"verb": ev.Verb, "identity": ev.Identity, "by": ev.By}
	case core.EventResource:
		if !in.Observes(ev.Resource.Name) || in.Resources[ev.Resource.Name].Value == ev.Resource.Value {
			return rec, false
		}
		if ev.Resource.Value == core.ResDown {
			rec.Level = "warn"
		}
		rec.Text = fmt.Sprintf("%s is %s%s.", ev.Resource.Name, ev.Resource.Value, colon(ev.Resource.Reason))
		rec.Data = map[string]any{"resource": ev.Resource.Name, "value": ev.Resource.Value, "reason": ev.Resource.Reason}
	case core.EventModule:
		rec.Kind = "config"
		rec.Text = fmt.Sprintf("%s has a new configuration%s.", name, colon(ev.Reason))
		rec.Data = map[string]any{"version": ev.Module.Version}
	case core.EventPeer, core.EventPeerLost, core.EventLease, core.EventReplica:
		return recordPair(rec, in, ev)
	case core.EventTimer:
		if in.Module.Mode == core.Mirror {
			return rec, false // what it leads to is told
		}
		rec.Text = fmt.Sprintf("%s has waited long enough for its connections to move to other nodes.", name)
	default:
		rec.Level, rec.Text = "debug", fmt.Sprintf("%s ended well.", subject(in, ev))
		if !ev.OK {
			rec.Level = "error"
			rec.Text = fmt.Sprintf("%s failed%s.", subject(in, ev), colon(ev.Reason))
		}
		rec.Data = map[string]any{"name": ev.Name, "ok": ev.OK}
	}
	return rec, true
}

// subject names what has ended.
func subject(in core.Instance, ev core.Event) string {
	switch ev.Kind {
	case core.EventHook:
		if in.Asked.Force {
			return "Hook " + ev.Name + " with force"
		}
		return "Hook " + ev.Name
	case core.EventShare:
		return "Share order " + ev.Name
	default:
		switch in.Asked.Kind {
		case core.TaskNetworkUp:
			return "Setting up the virtual address"
		case core.TaskNetworkNew:
			return "Changing the virtual addresses"
		}
		return "Removing the virtual address"
	}
}

// recordAction tells of an action before it is begun.
func (r *Runner) recordAction(from string, a core.Action, at time.Time) (Record, bool) {
	name := r.opt.Instance.Module.Name
	rec := Record{Time: at, Level: "info", Cause: a.Cause}
	switch a.Kind {
	case core.ActResource:
		rec.Kind = "transition"
		rec.Text = fmt.Sprintf("%s goes from %s to %s: %s.", name, from, a.Resource.Reason, a.Reason)
		rec.Data = map[string]any{"from": from, "to": a.Resource.Reason}
	case core.ActHook:
		rec.Kind = "hook"
		force := ""
		if a.Hook.Force {
			force = " with force"
		}
		rec.Text = fmt.Sprintf("Hook %s is called%s, on the way from %s to %s.", a.Hook.Name, force, a.Hook.From, a.Hook.To)
		rec.Data = map[string]any{"hook": a.Hook.Name, "force": a.Hook.Force, "verb": a.Hook.Verb}
	case core.ActCancel:
		rec.Kind = "hook"
		rec.Level = "warn"
		rec.Text = "The hook that runs is cut short."
	case core.ActNetworkUp:
		rec.Kind = "network"
		rec.Text = "The virtual address is set up, closed to traffic as yet."
		if r.opt.Instance.Module.Mode == core.Mirror {
			rec.Text = "The virtual address is set up."
		}
	case core.ActRenew:
		rec.Kind = "config"
		rec.Text = fmt.Sprintf("%s goes on with its new configuration.", name)
		rec.Data = map[string]any{"version": a.Version}
	case core.ActNetworkNew:
		rec.Kind = "network"
		rec.Text = "The virtual addresses and their rules become those of the new configuration."
	case core.ActNetworkDown:
		rec.Kind = "network"
		rec.Text = "The virtual address is removed."
	case core.ActReboot:
		rec.Kind, rec.Level = "transition", "warn"
		rec.Text = "The machine is restarted."
	case core.ActReplicate:
		rec.Kind = "replica"
		rec.Text = replicaText[a.Replica]
		rec.Data = map[string]any{"order": a.Replica, "full": a.Full}
	case core.ActShare:
		rec.Kind = "share"
		rec.Text = fmt.Sprintf("%s %s.", name, shareText[a.Share])
		rec.Data = map[string]any{"order": a.Share}
	default: // timers and checks would only be noise
		return rec, false
	}
	return rec, true
}

var shareText = map[core.ShareOrder]string{
	core.ShareOpen:     "takes its share of the connections",
	core.ShareLeave:    "hands its connections over to the other nodes",
	core.ShareWithdraw: "takes no new connection from now on",
	core.ShareDrain:    "hands its share over and stays ready",
	core.ShareUndrain:  "takes its share of the connections again",
}

func colon(reason string) string {
	if reason == "" {
		return ""
	}
	return ": " + reason
}
