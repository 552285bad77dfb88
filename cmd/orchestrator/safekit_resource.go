package main

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

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
		return pairResource(n, id)
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

// loopBegun is when the error counter began to count, in seconds since 1970: at the first
// of the actions that count now; 0 when none does.
func loopBegun(l control.Loop) string {
	if l.Since.IsZero() {
		return "0"
	}
	return strconv.FormatInt(l.Since.Unix(), 10)
}

// pairResource is what is known of a mirror's data.
func pairResource(n control.ModuleNode, id string) (string, bool) {
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
	if r := n.Pair.Replication; r != nil {
		switch id { // in KB/s
		case "rep_bandwidth":
			return strconv.FormatInt(r.Rate>>10, 10), true
		case "rei_bandwidth":
			if r.Resync != nil {
				return strconv.FormatInt(r.Resync.Rate>>10, 10), true
			}
			return "0", true
		}
	}
	return "", false
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
