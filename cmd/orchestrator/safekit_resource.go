package main

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/orchestrator-ha/orchestrator/core"
	"github.com/orchestrator-ha/orchestrator/core/control"
)

// ownResource answers what SafeKit keeps as a resource and is something else here: the
// state on both servers, what an operator has switched, shares and connections.
func ownResource(m control.ModuleStatus, n control.ModuleNode, name string) (string, bool) {
	class, id, _ := strings.Cut(name, ".")
	switch class {
	case "state":
		return stateResource(m, n, id)
	case "usersetting":
		return setting(n, id)
	case "rfs":
		return pairResource(m, n, id)
	case "heart":
		if id == "stopstartloop" {
			return loopBegun(n.Loop), true
		}
	case "connections":
		if len(m.Addresses) == 1 && m.Addresses[0] == id { // of more than one nobody knows which has how many
			return strconv.Itoa(n.Connections), true
		}
	default:
		return groupShare(n, name)
	}
	return "", false
}

// ownResources are the names of those that the module has on this server.
func ownResources(m control.ModuleStatus, n control.ModuleNode) []string {
	names := []string{
		"state.local", "state.remote", "usersetting.boot", "usersetting.checker", "usersetting.errd", "usersetting.encryption", "usersetting.failover", "heart.stopstartloop",
		"rfs.uptodate", "rfs.degraded", "rfs.rep_bandwidth", "rfs.rei_bandwidth", "rfs.netin_bandwidth", "rfs.netout_bandwidth",
	}
	for _, a := range m.Addresses {
		names = append(names, "connections."+a)
	}
	for _, g := range slices.Sorted(maps.Keys(n.Shares)) {
		names = append(names, g+"_0")
	}
	return slices.DeleteFunc(names, func(name string) bool {
		_, ok := ownResource(m, n, name)
		return !ok || slices.ContainsFunc(n.Resources, func(r core.Resource) bool { return r.Name == name })
	})
}

// loopBegun is when the error counter began to count, in seconds since 1970: at the first
// of the actions that count now; 0 when none does.
func loopBegun(l control.Loop) string {
	if l.Since.IsZero() {
		return "0"
	}
	return strconv.FormatInt(l.Since.Unix(), 10)
}

// pairResource is what is known of a mirror's data.
func pairResource(m control.ModuleStatus, n control.ModuleNode, id string) (string, bool) {
	if n.Pair == nil {
		return "", false
	}
	value := map[bool]string{true: "up", false: "down"}
	switch id {
	case "uptodate":
		return value[n.Pair.UpToDate], true
	case "degraded":
		return value[n.Pair.Degraded], true
	}
	if n.Pair.Replication != nil {
		return bandwidth(m, n, id)
	}
	return "", false
}

// bandwidth is how much is replicated now, in KB/s; what the primary sends the secondary gets.
func bandwidth(m control.ModuleStatus, n control.ModuleNode, id string) (string, bool) {
	r, rate := n.Pair.Replication, int64(0)
	switch id {
	case "rep_bandwidth":
		rate = r.Rate
	case "rei_bandwidth":
		if r.Resync != nil {
			rate = r.Resync.Rate
		}
	case "netout_bandwidth":
		if n.State.Primary() {
			rate = r.Rate
		}
	case "netin_bandwidth":
		for _, o := range m.Nodes {
			if n.State == core.Second && o.State.Primary() && o.Pair != nil && o.Pair.Replication != nil {
				rate = o.Pair.Replication.Rate
			}
		}
	default:
		return "", false
	}
	return strconv.FormatInt(rate>>10, 10), true
}

// stateResource is the state here or on the other one of two servers.
func stateResource(m control.ModuleStatus, n control.ModuleNode, id string) (string, bool) {
	if id == "local" {
		return n.State.String(), true
	}
	i := slices.IndexFunc(m.Nodes, func(o control.ModuleNode) bool { return o.Node != n.Node })
	if id != "remote" || len(m.Nodes) != 2 || i < 0 {
		return "", false
	}
	if !m.Nodes[i].Reachable {
		return "UNKNOWN", true
	}
	return m.Nodes[i].State.String(), true
}

// setting is what an operator has switched.
func setting(n control.ModuleNode, id string) (string, bool) {
	switch id {
	case "checker", "errd":
		watch := map[string]string{"checker": control.WatchChecks, "errd": control.WatchProcesses}[id]
		if slices.Contains(n.Muted, watch) {
			return "off", true
		}
		return "on", true
	case "boot":
		return n.Boot, true
	case "failover":
		if n.Pair != nil {
			return map[bool]string{true: "on", false: "off"}[n.Pair.Failover], true
		}
	case "encryption":
		return "on", true
	}
	return "", false
}

// groupShare is a group's part of the load, by its name and the number of an
// interface: FarmProto_0.
func groupShare(n control.ModuleNode, name string) (string, bool) {
	at := strings.LastIndex(name, "_")
	if at < 0 {
		return "", false
	}
	share, ok := n.Shares[name[:at]]
	if _, err := strconv.Atoi(name[at+1:]); err != nil || !ok {
		return "", false
	}
	return fmt.Sprintf("%.0f%%", 100*share), true
}
