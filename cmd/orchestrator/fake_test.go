package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/orchestrator-ha/orchestrator/core"
	"github.com/orchestrator-ha/orchestrator/core/archive"
	"github.com/orchestrator-ha/orchestrator/core/config"
	"github.com/orchestrator-ha/orchestrator/core/control"
	"github.com/orchestrator-ha/orchestrator/modules"
)

// fakeNode is a node with three servers and one module, of which n2 is drained
// and n3 cannot be reached. It writes what it is asked for to a file, one line
// each.
type fakeNode struct {
	asked    string
	sessions *control.Sessions // logins to its console
	left     atomic.Int32      // connections of n2; one ends with each look
}

var fakeTime = time.Date(2025, 1, 31, 8, 0, 0, 0, time.UTC)

func (f *fakeNode) note(format string, args ...any) {
	file, err := os.OpenFile(f.asked, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		panic(err)
	}
	defer file.Close() //nolint:errcheck // the script notices
	fmt.Fprintf(file, format+"\n", args...)
}

func (f *fakeNode) Init(_ context.Context, _ string, r control.InitRequest) (control.Outcome, error) {
	f.note("init %s %s %v %s", r.Cluster, r.Name, r.Addresses, r.Hash)
	return control.Outcome{Text: "cluster " + r.Cluster + " founded; this node is " + r.Name}, nil
}

func (f *fakeNode) Join(_ context.Context, _ string, r control.JoinRequest) (control.Outcome, error) {
	f.note("join %s %s %v %s", r.Token, r.Name, r.Addresses, r.Peer)
	return control.Outcome{Text: "joined"}, nil
}

func (f *fakeNode) Leave(_ context.Context, _ string, force bool) (control.Outcome, error) {
	f.note("leave%s", map[bool]string{true: " by force"}[force])
	return control.Outcome{Text: "this node belongs to no cluster any more"}, nil
}

func (f *fakeNode) Remove(_ context.Context, _, node string) (control.Outcome, error) {
	f.note("remove %s", node)
	if node != "n3" {
		return control.Outcome{}, &control.Refusal{Kind: control.ErrRefused, Text: node + " is alive: type there: orchestrator cluster leave"}
	}
	return control.Outcome{Text: node + " is no server of the cluster any more"}, nil
}

func (f *fakeNode) Token(_ context.Context, _ string, ttl time.Duration) (control.TokenReply, error) {
	return control.TokenReply{Token: "secret", Expires: fakeTime.Add(ttl), Command: "orchestrator cluster join --token secret 10.0.0.1"}, nil
}

func (f *fakeNode) Admit(context.Context, json.RawMessage) (json.RawMessage, error) {
	return nil, errors.New("not played")
}

// Install checks the module as a daemon does.
func (f *fakeNode) Install(_ context.Context, _ string, r control.InstallRequest) (control.Outcome, error) {
	content := r.Archive
	if r.Builtin != "" {
		files, ok := modules.Builtin(r.Builtin)
		if !ok {
			return control.Outcome{}, &control.Refusal{Kind: control.ErrNotFound, Text: "no module " + r.Builtin}
		}
		var b bytes.Buffer
		if err := archive.Write(&b, files); err != nil {
			return control.Outcome{}, err
		}
		content = b.Bytes()
	}
	files, err := archive.Read(bytes.NewReader(content), int64(len(content)), r.Name, archive.DefaultLimits())
	if err != nil {
		return control.Outcome{}, err
	}
	m, problems := config.Parse(files, r.Name, config.Options{Set: r.Set, Path: r.Name + ".safe:"})
	if m == nil {
		return control.Outcome{}, &control.Refusal{Kind: control.ErrInput, Text: r.Name + " has mistakes; nothing was changed", Problems: problems}
	}
	f.note("install %s builtin=%q %v", r.Name, r.Builtin, r.Set)
	return control.Outcome{Text: r.Name + " installed", Next: "Start it with: orchestrator start " + r.Name}, nil
}

func (f *fakeNode) Apply(_ context.Context, _, name string, r control.ApplyRequest) (control.Outcome, error) {
	f.note("apply %s %v%s", name, r.Set, map[bool]string{true: " stopstart"}[r.StopStart])
	return control.Outcome{Text: name + " applied"}, nil
}

// Diff tells of a port and a script that would change, and of more the further back.
func (f *fakeNode) Diff(_ context.Context, name string, r control.DiffRequest) (control.Diff, error) {
	f.note("diff %s %v version=%q archive=%t", name, r.Set, r.Version, len(r.Archive) > 0)
	d := control.Diff{Module: name, Effect: "check", Running: []control.Running{{Node: "n1", State: "UP Ready"}, {Node: "n2", State: "UP Ready"}}, Changes: []control.Change{
		{Path: "service/check/tcp[web]/to/@port", Old: "80", New: "81", Effect: "check"},
		{Path: "bin/start_both.lua", Old: "120 bytes", New: "140 bytes", Effect: "live"},
	}}
	if r.Version != "" {
		d.Effect, d.Stops = "stop", true
		d.Changes = append(d.Changes, control.Change{Path: "service/failover", Old: "a\nb", Effect: "live"},
			control.Change{Path: "service/vip/loadbalancing_list/group[web]/rule[tcp * 80]/@filter", Old: "on_port", New: "on_addr", Effect: "stop", Why: "tcp to 192.0.2.10:80 goes elsewhere"})
	}
	if len(r.Archive) > 0 {
		d.Changes = nil
	}
	return d, nil
}

func (f *fakeNode) Shipped(context.Context) ([]control.Shipped, error) {
	return []control.Shipped{{Name: "light", Mode: core.Light}, {Name: "nginx_farm", Mode: core.Farm, Macros: []control.Macro{
		{Name: "PORT", Value: "80", Doc: "the port"}, {Name: "VIRTUAL_IP", Doc: "the address", Required: true}}}}, nil
}

func (f *fakeNode) Files(context.Context, string) ([]control.CopyFile, error) {
	return []control.CopyFile{{Path: "bin/start_both.lua", Size: 12, Text: true}, {Path: "conf/userconfig.xml", Size: 60, Text: true}, {Path: "web/logo.png", Size: 5}}, nil
}

func (f *fakeNode) ReadFile(_ context.Context, _, path string) ([]byte, error) {
	if path == "conf/userconfig.xml" {
		return []byte("<safe><!-- as it is --></safe>"), nil
	}
	return []byte("-- " + path), nil
}

func (f *fakeNode) WriteFile(_ context.Context, name, path string, content []byte) error {
	f.note("write %s of %s: %s", path, name, content)
	return nil
}

func (f *fakeNode) History(context.Context, string) ([]control.Version, error) {
	return []control.Version{
		{Version: "3.1", Signature: "0123456789ab", Applied: fakeTime, By: "root on this node"},
		{Back: 1, Version: "2.2", Signature: "ba9876543210", Set: map[string]string{"PORT": "80"}, Applied: fakeTime.Add(-time.Hour), By: "admin from 10.0.0.7"},
	}, nil
}

func (f *fakeNode) Rollback(_ context.Context, _, name string, r control.RollbackRequest) (control.Outcome, error) {
	f.note("rollback %s to %s%s", name, r.Version, map[bool]string{true: " stopstart"}[r.StopStart])
	return control.Outcome{Text: name + " set back"}, nil
}

func (f *fakeNode) Uninstall(_ context.Context, _, name string) (control.Outcome, error) {
	return control.Outcome{}, &control.Refusal{Kind: control.ErrRefused, Text: name + " is UP on n1: stop it first with: orchestrator stop " + name}
}

func (f *fakeNode) Package(_ context.Context, name string) ([]byte, error) {
	files, ok := modules.Builtin(name)
	if !ok {
		return nil, &control.Refusal{Kind: control.ErrNotFound, Text: "there is no module " + name}
	}
	var b bytes.Buffer
	err := archive.Write(&b, files)
	return b.Bytes(), err
}

func (f *fakeNode) Do(_ context.Context, _, name string, verb core.Verb, r control.VerbRequest) (control.Outcome, error) {
	from := ""
	if r.Here {
		from += " here"
	}
	if r.Identity != "" {
		from += " by " + r.Identity
	}
	f.note("%s %s %v %s%s", verb, name, r.Nodes, time.Duration(r.Wait), from)
	if name != "web_farm" {
		return control.Outcome{}, &control.Refusal{Kind: control.ErrNotFound, Text: fmt.Sprintf("there is no module %q", name)}
	}
	if verb == core.VerbDrain && slices.Equal(r.Nodes, []string{"n2"}) {
		f.left.Store(3)
		return control.Outcome{Nodes: []control.NodeOutcome{{Node: "n2", OK: true, State: "UP Ready"}}}, nil
	}
	all := []control.NodeOutcome{{Node: "n1", OK: true, State: "UP Ready"}, {Node: "n3", Text: "the node cannot be asked"}}
	if len(r.Nodes) > 0 || r.Here {
		all = all[:1]
	}
	return control.Outcome{Nodes: all}, nil
}

func (f *fakeNode) SetResource(_ context.Context, _, name string, r control.ResourceRequest) (control.Outcome, error) {
	f.note("resource %s %s %s %q", name, r.Name, r.Value, r.Reason)
	return control.Outcome{Text: r.Name + " of " + name + " is " + string(r.Value)}, nil
}

func (f *fakeNode) Switch(_ context.Context, _, name string, r control.SwitchRequest) (control.Outcome, error) {
	f.note("switch %s %s %s %v here=%t", name, r.Name, r.To, r.Nodes, r.Here)
	return control.Outcome{Nodes: []control.NodeOutcome{{Node: "n1", OK: true, State: "UP Ready"}}}, nil
}

func (f *fakeNode) Bare(_ context.Context, _, name string, r control.BareRequest) (control.Outcome, error) {
	if r.Start && name == "web_farm" {
		return control.Outcome{}, &control.Refusal{Kind: control.ErrRefused, Text: "web_farm is UP Ready on n1: stop it everywhere first"}
	}
	return control.Outcome{Text: fmt.Sprintf("the application of %s is stopped on this node, without the module", name)}, nil
}

func (f *fakeNode) Tell(_ context.Context, _, name string, r control.TellRequest) (control.Outcome, error) {
	f.note("tell %s %s %q", name, r.Level, r.Text)
	return control.Outcome{Text: "noted"}, nil
}

func (f *fakeNode) Status(_ context.Context, name string) (control.Status, error) {
	st := control.Status{Node: "n1", Cluster: "prod", Version: "1.2.3", Modules: []control.ModuleStatus{}}
	if name != "" && name != "web_farm" {
		return st, &control.Refusal{Kind: control.ErrNotFound, Text: fmt.Sprintf("there is no module %q", name)}
	}
	st.Modules = append(st.Modules, control.ModuleStatus{
		Name: "web_farm", Mode: core.Farm, Signature: "0123456789ab", Addresses: []string{"192.0.2.10"},
		Nodes: []control.ModuleNode{
			{Node: "n1", Reachable: true, State: core.Up, Phase: core.Ready, Since: fakeTime, Share: 0.6665, Connections: 1234,
				Reason: "start asked for by root on this node", Signature: "0123456789ab", Filter: []string{"eth0 xdp-native"},
				Resources: []core.Resource{{Name: "tcp.web", Value: core.ResUp}}, Boot: "auto", Muted: []string{"processes"}, Loop: control.Loop{Count: 1, Max: 3, Interval: control.Duration(24 * time.Hour)}, Counters: map[string]uint64{"accept-owner": 42}},
			{Node: "n2", Reachable: true, State: core.Up, Phase: core.Ready, Since: fakeTime, Share: 0.3335, Drained: true, Signature: "ba9876543210", Held: 7, Connections: int(max(0, f.left.Add(-1)))},
			{Node: "n3", Phase: core.NotReady, Reason: "the node cannot be asked"},
		},
	})
	return st, nil
}

func (f *fakeNode) ServeHTTP(w http.ResponseWriter, _ *http.Request) {
	fmt.Fprintln(w, `orchestrator_module_serving{module="web_farm"} 1`)
}

func (f *fakeNode) List(context.Context) ([]control.ModuleInfo, error) {
	return []control.ModuleInfo{{Name: "web_farm", Mode: core.Farm, Signature: "0123456789ab", Version: "3.1",
		Set: map[string]string{"VIRTUAL_IP": "192.0.2.10", "PORT": "8080"}, Applied: fakeTime, By: "root on this node"}}, nil
}

func (f *fakeNode) ClusterStatus(context.Context) (control.ClusterStatus, error) {
	return control.ClusterStatus{ID: "x", Name: "prod", Node: "n1", Hash: "keyed", Nodes: []control.ClusterNode{
		{Name: "n1", Number: 1, Alive: true, Member: "alive", Evidence: "this node", Addresses: map[string]string{"default": "10.0.0.1", "backup": "10.1.0.1"}, Current: true},
		{Name: "n2", Number: 2, Member: "dead", Evidence: "silent for 312 ms on default", Addresses: map[string]string{"default": "10.0.0.2"}, Stale: []string{"module/web_farm"}},
	}}, nil
}

func (f *fakeNode) Log(_ context.Context, q control.LogQuery, emit func(control.LogEntry) error) error {
	for _, e := range []control.LogEntry{
		{ID: 1, Time: fakeTime, Kind: "node", Level: "info", Text: "The daemon has started."},
		{ID: 2, Time: fakeTime.Add(time.Second), Module: "web_farm", Kind: "output", Level: "info", Text: "start_both printed:", Output: "line one\nline \x1b[31mtwo\n"},
		{ID: 3, Time: fakeTime.Add(2 * time.Second), Module: "web_farm", Kind: "resource", Level: "warn", Text: "tcp.web is down: refused", Cause: 2},
	} {
		if q.Module != "" && e.Module != q.Module || !strings.Contains(e.Text, q.Grep) {
			continue
		}
		if err := emit(e); err != nil {
			return err
		}
	}
	level := ""
	if q.Level != "" {
		level = " level=" + q.Level
	}
	f.note("log types=%v limit=%d follow=%t since=%t%s", q.Types, q.Limit, q.Follow, !q.Since.IsZero(), level)
	return nil
}

func (f *fakeNode) Why(_ context.Context, name string) (control.Why, error) {
	return control.Why{Text: name + " is UP\n  because: root asked for it\n", Chain: []control.LogEntry{{ID: 1, Text: "root asked for it"}}}, nil
}

func (f *fakeNode) Verify(_ context.Context, name string) (control.Verification, error) {
	f.note("verify %s", name)
	v := control.Verification{At: fakeTime, Took: control.Duration(2 * time.Second), Complete: true, Files: 7, Bytes: 3 << 20}
	if name == "bad" {
		v.Different, v.Differences = 2, []control.Difference{{Path: "/data/f", What: "holds other data at byte 4096"}}
	}
	return v, nil
}

func (f *fakeNode) EstimateResync(_ context.Context, name string) (control.ResyncEstimate, error) {
	f.note("estimate %s", name)
	return control.ResyncEstimate{Files: 12, Bytes: 5 << 30}, nil
}

func (f *fakeNode) Explain(_ context.Context, q control.ExplainQuery) (control.Explanation, error) {
	f.note("explain %s %q %s", q.Client, q.Address, q.Proto)
	if q.Client == "nonsense" {
		return control.Explanation{}, &control.Refusal{Kind: control.ErrInput, Text: `"nonsense" is not the address of a client`}
	}
	p := control.Path{Module: "web_farm", Address: "192.0.2.10", Rule: "no rule covers " + q.Proto + ": such packets are dropped"}
	if q.Proto == "tcp" {
		p = control.Path{Module: "web_farm", Group: "web", Address: "192.0.2.10", Rule: "tcp port 80, each connection by itself (on_port)",
			ARP: "n1", Agreed: true, Nodes: []control.Standing{
				{Node: "n1", Power: 2, Share: 1}, {Node: "n2", Power: 1, Why: "it is drained"}, {Node: "n3", Power: 1, Why: "it is lost"},
			}}
	}
	if strings.Contains(q.Client, ":") {
		bucket := 1234
		p.Bucket, p.Owner, p.Previous, p.Next, p.Moving = &bucket, "n1", []string{"n2"}, "n3", true
	}
	return control.Explanation{Node: "n1", Client: q.Client, Paths: []control.Path{p}}, nil
}

func (f *fakeNode) Plugins(context.Context) ([]control.PluginInfo, error) {
	return []control.PluginInfo{
		{Kind: "checker", Name: "tcp", Version: "0.1.0", Summary: "connects to a port", State: "running", PID: 77, Restarts: 1},
		{Kind: "filter", Name: "ebpf", State: "dead", Error: "it died: signal: killed"},
	}, nil
}

func (f *fakeNode) Serving(string) (bool, string) { return true, "" }

func (f *fakeNode) ResourceHistory(_ context.Context, q control.HistoryQuery) ([]control.ResourceChange, error) {
	f.note("history %s %q %d", q.Module, q.Resource, q.Limit)
	return []control.ResourceChange{
		{Entry: 3, Time: fakeTime, Resource: "tcp.web", Value: core.ResUp},
		{Entry: 7, Time: fakeTime.Add(time.Minute), Resource: "tcp.web", Value: core.ResDown, Reason: "connection refused"},
	}, nil
}

// Reach knows of n2, and that it does not answer.
func (f *fakeNode) Reach(node string) (*url.URL, http.RoundTripper, error) {
	if node == "n1" {
		return nil, nil, nil
	}
	return nil, nil, fmt.Errorf("%w: %s is not heard", control.ErrElsewhere, node)
}

func (f *fakeNode) Invite(_ context.Context, by string, r control.InviteRequest) (control.Invitation, error) {
	f.note("invite %q %s by %s", r.User, r.Role, by)
	i := control.Invitation{User: cmp.Or(r.User, r.Role.String()), Role: r.Role, Expires: fakeTime, Token: "TOKEN", URL: "https://10.0.0.1:9010/#TOKEN", Certificate: "0123abcd"}
	if f.sessions != nil {
		i.Token, i.Expires = f.sessions.Invite(r.User, r.Role)
	}
	return i, nil
}

func (f *fakeNode) Access(_ context.Context, by string, r control.AccessRequest) (control.AccessToken, error) {
	f.note("token %q %s %s by %s", r.User, r.Role, time.Duration(r.TTL), by)
	return control.AccessToken{ID: "BQ2X", Token: "TOKEN", User: cmp.Or(r.User, r.Role.String()), Role: r.Role, Expires: fakeTime}, nil
}

func (f *fakeNode) Tokens(context.Context) ([]control.TokenInfo, error) {
	return []control.TokenInfo{{ID: "BQ2X", User: "prometheus", Role: control.Monitor, Expires: fakeTime, Given: fakeTime, By: "root"}}, nil
}

func (f *fakeNode) Withdraw(_ context.Context, by, which string) (control.Outcome, error) {
	f.note("withdraw %s by %s", which, by)
	return control.Outcome{Text: "the token of prometheus is withdrawn"}, nil
}

func (f *fakeNode) LoggedOut(_ context.Context, c control.Caller, _ string, _ time.Time) error {
	f.note("logout %s", c.Role)
	return nil
}

func (f *fakeNode) Refused(from string, times int) { f.note("refused %d from %s", times, from) }

func (f *fakeNode) Entered(c control.Caller) { f.note("login %s", c.Role) }
