package daemon

import (
	"context"
	"fmt"
	"log/slog"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/orchestrator-ha/orchestrator/core"
	"github.com/orchestrator-ha/orchestrator/core/config"
	"github.com/orchestrator-ha/orchestrator/core/control"
	"github.com/orchestrator-ha/orchestrator/core/mirror/exclude"
	"github.com/orchestrator-ha/orchestrator/core/mirror/fs"
	"github.com/orchestrator-ha/orchestrator/core/mirror/link"
	"github.com/orchestrator-ha/orchestrator/core/mirror/replication"
	"github.com/orchestrator-ha/orchestrator/core/mirror/stream"
)

// replicationPort is the port on which the node's modules meet those of the others; it is
// opened when the first module needs it.
type replicationPort struct {
	mu   sync.Mutex
	port *link.Port
}

func (m *member) openReplication() (*link.Port, error) {
	m.replication.mu.Lock()
	defer m.replication.mu.Unlock()
	if m.replication.port == nil {
		p, err := link.Listen(":"+strconv.Itoa(link.DefaultPort), func() link.Identity { return m.id }, m.log)
		if err != nil {
			return nil, err
		}
		m.replication.port = p
	}
	return m.replication.port, nil
}

func (m *member) closeReplication() error {
	m.replication.mu.Lock()
	defer m.replication.mu.Unlock()
	if m.replication.port == nil {
		return nil
	}
	return m.replication.port.Close()
}

// replicator is the replica of one module; it is the host of its Replicator.
type replicator struct {
	*replication.Replicator
	mod    *module
	places []replication.Place
	log    *slog.Logger

	mu      sync.Mutex
	answers map[core.ReplicaOrder]func(core.Event)
	leaving bool
	forced  bool
	broken  error // since it was made primary last
}

// newReplica makes what keeps the module's folders the same on both nodes; nil if it has
// none.
func (mod *module) newReplica(conf *config.Module) (replica, error) {
	if conf.Rfs == nil || mod.pair == nil {
		return nil, nil
	}
	r := &replicator{mod: mod, log: mod.m.log, answers: map[core.ReplicaOrder]func(core.Event){}}
	o, err := r.options(conf)
	if err != nil {
		return nil, err
	}
	for _, f := range o.Folders {
		r.places = append(r.places, f.Place)
	}
	r.Replicator = replication.New(o)
	return r, nil
}

func (r *replicator) options(conf *config.Module) (replication.Options, error) {
	m := r.mod.m
	port, err := m.openReplication()
	if err != nil {
		return replication.Options{}, err
	}
	rfs := conf.Rfs
	o := replication.Options{
		Module: conf.Name, Cluster: m.id.Keys.Cluster, Release: m.d.opt.Version, Self: m.id.Node.Number, Peer: r.mod.pair.peer,
		PeerName: m.name(r.mod.pair.peer), Port: port, Identity: func() link.Identity { return m.id },
		Addresses: func() []netip.AddrPort { return m.replicationAddresses(r.mod.pair.peer, r.mod.config()) },
		Alive:     func(to netip.AddrPort) bool { return m.carries(r.mod.pair.peer, to.Addr()) },
		Host:      r, Log: m.log, Memory: m.d.path("state", conf.Name+".replica"),
		Patience: rfs.SendTimeout, SyncPatience: rfs.LockTimeout, Workers: rfs.SyncThreads, Limit: rfs.SyncLimit << 10,
	}
	if rfs.Async == "second" {
		o.Mode = stream.ModeMemory
	}
	for _, f := range rfs.Folders {
		folder, err := folderOf(f, rfs.Suffix)
		if err != nil {
			return o, err
		}
		o.Folders = append(o.Folders, folder)
	}
	return o, nil
}

func folderOf(f config.Folder, suffix string) (replication.Folder, error) {
	out := replication.Folder{Place: replication.Place{Dir: f.Dir, Suffix: suffix}, WriteBack: f.WriteBack, MustHave: f.MustHave, Except: slices.Clone(f.Except)}
	var patterns []exclude.Pattern
	for _, p := range f.Patterns {
		patterns = append(patterns, exclude.Pattern{Regex: p.Regex, Not: p.Not})
		text := "regular expression " + p.Regex
		if p.Not {
			text = "what does not match " + p.Regex
		}
		out.Except = append(out.Except, text)
	}
	var err error
	out.Rules, err = exclude.New(f.Except, patterns)
	return out, err
}

// carries says that a node is heard on the network on which it has an address.
func (m *member) carries(n core.NodeID, a netip.Addr) bool {
	node, _ := m.settings().Node(n)
	for _, peer := range m.heart.Status() {
		for _, path := range peer.Networks {
			if peer.Node == n && node.Addresses[path.Network] == a {
				return path.Heard
			}
		}
	}
	return true // nothing is known
}

// replicationAddresses are those of a node, that of the network that is meant for replication
// first, and at the end those of networks on which it is not heard.
func (m *member) replicationAddresses(n core.NodeID, conf *config.Module) (list []netip.AddrPort) {
	settings := m.settings()
	node, _ := settings.Node(n)
	for _, lan := range settings.Networks {
		if a, ok := node.Addresses[lan.Name]; ok {
			to := netip.AddrPortFrom(a, link.DefaultPort)
			if lan.Name == conf.FlowNetwork() {
				list = slices.Insert(list, 0, to)
			} else {
				list = append(list, to)
			}
		}
	}
	slices.SortStableFunc(list, func(a, b netip.AddrPort) int {
		switch x, y := m.carries(n, a.Addr()), m.carries(n, b.Addr()); {
		case x == y:
			return 0
		case x:
			return -1
		}
		return 1
	})
	return list
}

// Order carries out an order of the state machine.
func (r *replicator) Order(order core.ReplicaOrder, full bool, answer func(core.Event)) {
	r.mu.Lock()
	r.answers[order] = answer
	force := r.forced && order == core.ReplicatePrim
	if order != core.ReplicateStop {
		r.forced = false
	}
	r.leaving = false
	if order == core.ReplicatePrim {
		r.broken = nil
	}
	r.mu.Unlock()
	if order != core.ReplicateStop {
		r.endLeft()
	}
	if order == core.ReplicateSecond && r.Replicator.Status().Role == core.ReplicatePrim {
		r.mod.callback(rfsPrimToSecond)
	}
	data := r.mod.runner.Snapshot().Pair.Self.Data.Generation
	r.Replicator.Order(replication.Order{Replica: order, Full: full, Force: force, Data: data})
}

// endLeft ends what the module's hooks have not found of an application that a killed daemon
// has left.
func (r *replicator) endLeft() {
	for _, p := range r.places {
		ended, err := fs.EndUsers(p.Dir)
		if len(ended) > 0 {
			r.Note("warn", fmt.Sprintf("%s still used %s, as a daemon that was killed has left it, and were ended: the module's stop hooks have not found them.", strings.Join(ended, ", "), p.Dir))
		}
		if err != nil {
			r.Note("error", err.Error())
		}
	}
}

// Done takes the answer to an order.
func (r *replicator) Done(order core.ReplicaOrder, err error) {
	r.mu.Lock()
	answer := r.answers[order]
	delete(r.answers, order)
	r.mu.Unlock()
	if answer == nil {
		return
	}
	ev := core.Event{Kind: core.EventReplica, Name: string(order), OK: err == nil}
	if err != nil {
		ev.Reason = err.Error()
	}
	answer(ev)
}

// News tells the state machine, and waits until what follows is durable.
func (r *replicator) News(news core.ReplicaNews, g core.Generation, reason string) {
	if news == core.ReplicaCopying {
		r.mod.callback(rfsStartSync)
	}
	err := r.mod.runner.Deliver(core.Event{Kind: core.EventReplica, Name: string(news), OK: true, Generation: g, Reason: reason})
	if err != nil {
		r.log.Warn("tell a mirror's state machine of its data", "module", r.mod.conf.Name, "news", news, "error", err)
	}
}

// Note writes into the module's journal.
func (r *replicator) Note(level, text string) {
	r.mod.m.d.noteModule(r.mod.conf.Name, "replica", level, text, nil, 0)
}

// Broken notes that nothing can be written here any more: the other node is to take over.
func (r *replicator) Broken(err error) {
	r.mu.Lock()
	r.broken = err
	r.mu.Unlock()
	r.mod.timetable.poke()
}

// Trouble is why nothing can be written here any more.
func (r *replicator) Trouble() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.broken
}

// Shared reports that the other node may take over with this primary's data.
func (r *replicator) Shared() bool {
	return r.mod.runner.Snapshot().Pair.Self.Data.Standing == core.StandingShared
}

// Said hands on what this node says of itself as far as its data is concerned.
func (r *replicator) Said(s core.PeerState) {
	r.mu.Lock()
	leaves := s.Leaving && s.State.Primary() && !r.leaving
	r.leaving = s.Leaving
	r.mu.Unlock()
	switch {
	case leaves:
		r.Leave()
	case s.State == core.Alone:
		r.Alone(s.Data.Generation)
	}
}

// Change takes over another configuration of the same folders.
func (r *replicator) Change(conf *config.Module) error {
	if conf.Rfs == nil {
		return nil // they go with the next stop
	}
	o, err := r.options(conf)
	if err != nil {
		return err
	}
	r.Replicator.Change(o)
	return nil
}

// Forced is for the next order to be primary.
func (r *replicator) Forced() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.forced = true
}

// Release gives the folders their files back.
func (r *replicator) Release() error {
	for _, p := range r.places {
		if err := p.Release(); err != nil {
			return err
		}
	}
	return nil
}

// Status is where replication stands.
func (r *replicator) Status() *control.Replication {
	s := r.Replicator.Status()
	out := &control.Replication{
		Role: string(s.Role), State: s.State, Connected: s.Connected, Why: s.Why, Generations: s.Generations.String(),
		LagOperations: s.Lag.Operations, LagBytes: s.Lag.Bytes, Syncs: s.Lag.Syncs, Sent: s.Lag.Sent, Rate: s.Lag.Rate,
	}
	if x := s.Resync; x != nil {
		out.Resync = &control.Resync{
			Extent: x.Extent, Running: x.Running, Since: x.Since, Round: x.Round, Files: x.Files, Known: x.Known,
			Total: x.Total, Done: x.Done, Sent: x.Sent, Rate: x.Rate, Left: control.Duration(x.Left.Round(time.Second)),
		}
	}
	if x := s.Verifying; x != nil {
		out.Verifying = &control.Verifying{Since: x.Since, Files: x.Files, Known: x.Known, Total: x.Total, Done: x.Done, Left: control.Duration(x.Left.Round(time.Second))}
	}
	if v := s.Verified; v != nil {
		out.Verified = new(verification(*v))
	}
	return out
}

func verification(v replication.Verification) control.Verification {
	out := control.Verification{
		At: v.At, Took: control.Duration(v.Took), Complete: v.Complete, Error: v.Error,
		Files: v.Files, Bytes: v.Bytes, Different: v.Different,
	}
	for _, d := range v.Differences {
		out.Differences = append(out.Differences, control.Difference{Path: d.Path, What: d.What})
	}
	return out
}

// Verify compares both copies.
func (r *replicator) Verify(ctx context.Context) (control.Verification, error) {
	v, err := r.Replicator.Verify(ctx)
	if err != nil {
		return control.Verification{}, err
	}
	level, text := "info", fmt.Sprintf("Both copies are the same: %d files, %d bytes.", v.Files, v.Bytes)
	switch {
	case !v.Complete:
		level, text = "warn", "The comparison of both copies was broken off: "+v.Error+"."
	case v.Different > 0:
		level, text = "error", fmt.Sprintf("The copies differ in %d files, e.g. %s, which %s.", v.Different, v.Differences[0].Path, v.Differences[0].What)
	}
	r.Note(level, text)
	return verification(v), nil
}

// Estimate says what bringing the other node up to date would take.
func (r *replicator) Estimate() (control.ResyncEstimate, error) {
	e, err := r.Replicator.Estimate()
	return control.ResyncEstimate{Everything: e.Everything, Files: e.Files, Bytes: e.Bytes, Took: control.Duration(e.Took)}, err
}
