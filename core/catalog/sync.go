package catalog

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/orchestrator-ha/orchestrator/core"
)

// Kinds of the messages between the syncers of two nodes.
const (
	kindChanged = "catalog.changed" // a digest
	kindHistory = "catalog.history" // request: name of an item; reply: its kept versions
)

// KindGet is of calls that fetch a part of an item. A node that was taken out of the
// cluster may make them, too: so it learns that it was.
const KindGet = "catalog.get"

const (
	// DefaultInterval is how often digests are exchanged if nothing happens.
	DefaultInterval = 30 * time.Second
	firstRetry      = 2 * time.Second
	callTimeout     = 10 * time.Second
)

// Messenger carries messages between nodes. A handler gets calls, and messages
// that were sent or broadcast.
type Messenger interface {
	Send(to core.NodeID, kind string, payload []byte) error
	Broadcast(kind string, payload []byte) error
	Call(ctx context.Context, to core.NodeID, kind string, payload []byte) ([]byte, error)
	Handle(kind string, f func(ctx context.Context, from core.NodeID, payload []byte) ([]byte, error))
}

// Syncer keeps the catalogs of all nodes equal. It tells the others of each
// change here, fetches what they have newer, and compares from time to time.
//
// Whoever connects it passes on what membership brings: RemoteDigest for a
// digest that came with a state exchange, Joined and Forget for nodes.
type Syncer struct {
	catalog  *Catalog
	net      Messenger
	interval time.Duration
	log      *slog.Logger

	wakeFetch, wakeTell chan struct{}

	mu      sync.Mutex
	heads   map[core.NodeID][]Head // last digest of each node
	pending map[core.NodeID]bool   // nodes whose digest has not been compared
	greet   map[core.NodeID]bool   // nodes to send the digest to
	tellAll bool
}

// NewSyncer registers its handlers with net; Run does the work. interval 0
// means DefaultInterval.
func NewSyncer(c *Catalog, net Messenger, interval time.Duration, log *slog.Logger) *Syncer {
	if interval <= 0 {
		interval = DefaultInterval
	}
	s := &Syncer{
		catalog: c, net: net, interval: interval, log: log,
		wakeFetch: make(chan struct{}, 1), wakeTell: make(chan struct{}, 1),
		heads: map[core.NodeID][]Head{}, pending: map[core.NodeID]bool{}, greet: map[core.NodeID]bool{},
	}
	net.Handle(KindGet, s.serveGet)
	net.Handle(kindHistory, s.serveHistory)
	net.Handle(kindChanged, func(_ context.Context, from core.NodeID, digest []byte) ([]byte, error) {
		return nil, s.RemoteDigest(from, digest)
	})
	return s
}

// Run works until ctx ends.
func (s *Syncer) Run(ctx context.Context) error {
	defer s.catalog.Subscribe(func(Item) { s.announce() })()
	s.announce()
	var wg sync.WaitGroup
	wg.Go(func() { s.tellLoop(ctx) })
	s.fetchLoop(ctx)
	wg.Wait()
	return nil
}

// RemoteDigest notes what another node has; what is newer there is fetched. It
// returns at once. The error says that the digest cannot be read.
func (s *Syncer) RemoteDigest(from core.NodeID, digest []byte) error {
	heads, err := ParseDigest(digest)
	if err != nil {
		return fmt.Errorf("from node %d: %w", from, err)
	}
	s.mu.Lock()
	s.heads[from] = heads
	s.pending[from] = true
	s.mu.Unlock()
	wake(s.wakeFetch)
	return nil
}

// Joined tells a node that came (back) what this one has.
func (s *Syncer) Joined(n core.NodeID) {
	s.mu.Lock()
	s.greet[n] = true
	s.mu.Unlock()
	wake(s.wakeTell)
}

// Forget drops what is known of a node that was removed from the cluster.
func (s *Syncer) Forget(n core.NodeID) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.heads, n)
	delete(s.pending, n)
	delete(s.greet, n)
}

// Signatures tells which node has which content: item → node → signature, this
// node included. Of the others it is what they last said; a node that has no
// such item, or of which nothing was heard since the start, is not in the map.
func (s *Syncer) Signatures() map[string]map[core.NodeID]Signature {
	out := map[string]map[core.NodeID]Signature{}
	add := func(n core.NodeID, heads []Head) {
		for _, h := range heads {
			if h.Deleted {
				continue
			}
			if out[h.Name] == nil {
				out[h.Name] = map[core.NodeID]Signature{}
			}
			out[h.Name][n] = h.Signature
		}
	}
	s.mu.Lock()
	for n, heads := range s.heads {
		add(n, heads)
	}
	s.mu.Unlock()
	add(s.catalog.self, s.catalog.Heads())
	return out
}

func (s *Syncer) announce() {
	s.mu.Lock()
	s.tellAll = true
	s.mu.Unlock()
	wake(s.wakeTell)
}

// wake sets a flag that a loop waits for; set twice is set once.
func wake(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// tellLoop sends digests. It is apart from fetching because a send to a node
// that is gone takes its time.
func (s *Syncer) tellLoop(ctx context.Context) {
	tick := time.NewTicker(s.interval)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			s.announce()
		case <-s.wakeTell:
			s.tell()
		}
	}
}

func (s *Syncer) tell() {
	s.mu.Lock()
	all, nodes := s.tellAll, slices.Collect(maps.Keys(s.greet))
	s.tellAll = false
	clear(s.greet)
	s.mu.Unlock()
	if all {
		if err := s.net.Broadcast(kindChanged, s.catalog.Digest()); err != nil {
			s.log.Debug("catalog: not all nodes were told", "err", err)
		}
		return
	}
	for _, n := range nodes {
		if err := s.net.Send(n, kindChanged, s.catalog.Digest()); err != nil {
			s.log.Debug("catalog: a node was not told", "node", n, "err", err)
		}
	}
}

// fetchLoop compares digests and fetches. What failed is tried again, later
// each time, until a new digest comes.
func (s *Syncer) fetchLoop(ctx context.Context) {
	delay := firstRetry
	retry := time.NewTimer(delay)
	retry.Stop()
	defer retry.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-s.wakeFetch:
			delay = firstRetry
		case <-retry.C:
		}
		if failed := s.fetchPending(ctx); failed {
			retry.Reset(delay)
			delay = min(2*delay, s.interval)
		}
	}
}

func (s *Syncer) fetchPending(ctx context.Context) (failed bool) {
	s.mu.Lock()
	work := map[core.NodeID][]Head{}
	for n := range s.pending {
		work[n] = s.heads[n]
	}
	clear(s.pending)
	s.mu.Unlock()
	for n, heads := range work {
		newer, older := s.catalog.Diff(heads)
		for _, name := range newer {
			if err := s.fetch(ctx, n, name); err != nil {
				if ctx.Err() != nil {
					return false
				}
				s.log.Warn("catalog: an item could not be fetched", "item", name, "node", n, "err", err)
				failed = true
				s.mu.Lock()
				s.pending[n] = true
				s.mu.Unlock()
				if errors.Is(err, context.DeadlineExceeded) {
					break // the node does not answer; do not wait for each item
				}
			}
		}
		if len(older) > 0 {
			s.Joined(n)
		}
	}
	return failed
}
