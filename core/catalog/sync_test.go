package catalog

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/orchestrator-ha/orchestrator/core"
)

// bus connects syncers; away nodes hear and say nothing.
type bus struct {
	mu       sync.Mutex
	handlers map[core.NodeID]map[string]func(context.Context, core.NodeID, []byte) ([]byte, error)
	away     map[core.NodeID]bool
	failGets int // the next calls for content fail
	gets     int
}

type port struct {
	b    *bus
	self core.NodeID
}

func (p port) Handle(kind string, f func(context.Context, core.NodeID, []byte) ([]byte, error)) {
	p.b.mu.Lock()
	defer p.b.mu.Unlock()
	if p.b.handlers[p.self] == nil {
		p.b.handlers[p.self] = map[string]func(context.Context, core.NodeID, []byte) ([]byte, error){}
	}
	p.b.handlers[p.self][kind] = f
}

func (p port) Call(ctx context.Context, to core.NodeID, kind string, payload []byte) ([]byte, error) {
	p.b.mu.Lock()
	f := p.b.handlers[to][kind]
	unreachable := p.b.away[to] || p.b.away[p.self] || f == nil
	if kind == KindGet {
		p.b.gets++
		if p.b.failGets > 0 {
			p.b.failGets--
			unreachable = true
		}
	}
	p.b.mu.Unlock()
	if unreachable {
		return nil, errors.New("unreachable")
	}
	b, err := f(ctx, p.self, payload)
	if len(b) > 1<<20 {
		err = errors.New("reply larger than a message")
	}
	return b, err
}

func (p port) Send(to core.NodeID, kind string, payload []byte) error {
	_, err := p.Call(context.Background(), to, kind, payload)
	return err
}

func (p port) Broadcast(kind string, payload []byte) error {
	var errs []error
	for to := core.NodeID(1); to <= 3; to++ {
		if to != p.self {
			errs = append(errs, p.Send(to, kind, payload))
		}
	}
	return errors.Join(errs...)
}

type world struct {
	bus      *bus
	catalogs map[core.NodeID]*Catalog
	syncers  map[core.NodeID]*Syncer
	log      bytes.Buffer
}

func start(t *testing.T, prepare func(map[core.NodeID]*Catalog)) *world {
	t.Helper()
	w := &world{
		bus:      &bus{handlers: map[core.NodeID]map[string]func(context.Context, core.NodeID, []byte) ([]byte, error){}, away: map[core.NodeID]bool{}},
		catalogs: map[core.NodeID]*Catalog{}, syncers: map[core.NodeID]*Syncer{},
	}
	for n := core.NodeID(1); n <= 3; n++ {
		w.catalogs[n] = open(t, t.TempDir(), n)
	}
	if prepare != nil {
		prepare(w.catalogs)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	t.Cleanup(func() { cancel(); wg.Wait() })
	log := slog.New(slog.NewTextHandler(&w.log, nil))
	for n, c := range w.catalogs {
		w.syncers[n] = NewSyncer(c, port{w.bus, n}, 0, log)
	}
	for _, s := range w.syncers {
		wg.Go(func() { s.Run(ctx) })
	}
	synctest.Wait()
	return w
}

func (w *world) setAway(n core.NodeID, away bool) {
	w.bus.mu.Lock()
	defer w.bus.mu.Unlock()
	w.bus.away[n] = away
}

func (w *world) equal(t *testing.T, nodes ...core.NodeID) {
	t.Helper()
	for _, n := range nodes[1:] {
		if d := cmp.Diff(w.catalogs[nodes[0]].Heads(), w.catalogs[n].Heads()); d != "" {
			t.Errorf("nodes %d and %d differ:\n%s", nodes[0], n, d)
		}
	}
}

func TestSyncPropagates(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := start(t, nil)
		big := make([]byte, 3*partSize+17)
		rand.NewChaCha8([32]byte{1}).Read(big)
		if _, err := w.catalogs[1].Put("module/m", big, nil, "root"); err != nil {
			t.Fatal(err)
		}
		put(t, w.catalogs[2], "cluster", "")
		synctest.Wait()
		w.equal(t, 1, 2, 3)
		if got := get(t, w.catalogs[3], "module/m"); !bytes.Equal(got.Content, big) {
			t.Error("the content differs")
		}
		sigs := w.syncers[3].Signatures()
		want := w.catalogs[1].items["module/m"].Signature
		for n := core.NodeID(1); n <= 3; n++ {
			if sigs["module/m"][n] != want {
				t.Errorf("node 3 believes that node %d has %s", n, sigs["module/m"][n].Short())
			}
		}
		if err := w.catalogs[3].Delete("module/m", "root"); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		w.equal(t, 1, 2, 3)
		if _, err := w.catalogs[1].Get("module/m"); !errors.Is(err, ErrNotFound) {
			t.Errorf("still there: %v", err)
		}
	})
}

func TestSyncCatchesUpAfterAbsence(t *testing.T) {
	for _, how := range []string{"join", "remote digest", "interval"} {
		t.Run(how, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := start(t, nil)
				put(t, w.catalogs[1], "cluster", "v1")
				synctest.Wait()
				w.setAway(3, true)
				put(t, w.catalogs[1], "cluster", "v2")
				put(t, w.catalogs[2], "module/m", "m")
				put(t, w.catalogs[3], "module/n", "made while away")
				synctest.Wait()
				if d := cmp.Diff(w.catalogs[1].Heads(), w.catalogs[3].Heads()); d == "" {
					t.Fatal("node 3 was not away")
				}
				if s := w.syncers[1].Signatures()["cluster"]; s[3] == s[1] {
					t.Error("node 3 is shown as current")
				}
				w.setAway(3, false)
				switch how {
				case "join":
					w.syncers[1].Joined(3)
				case "remote digest":
					if err := w.syncers[3].RemoteDigest(2, w.catalogs[2].Digest()); err != nil {
						t.Fatal(err)
					}
				case "interval":
					time.Sleep(DefaultInterval) // the bubble's clock
				}
				synctest.Wait()
				w.equal(t, 1, 2, 3)
			})
		})
	}
}

func TestSyncRetries(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := start(t, nil)
		w.setAway(2, true)
		w.bus.failGets = 2
		put(t, w.catalogs[1], "a", "x")
		synctest.Wait()
		if len(w.catalogs[3].List()) != 0 {
			t.Fatal("fetched although calls fail")
		}
		time.Sleep(3 * firstRetry)
		synctest.Wait()
		w.equal(t, 1, 3)
		if !strings.Contains(w.log.String(), "unreachable") {
			t.Errorf("log: %s", w.log.String())
		}
		w.bus.mu.Lock()
		before := w.bus.gets
		w.bus.mu.Unlock()
		time.Sleep(10 * DefaultInterval)
		synctest.Wait()
		w.bus.mu.Lock()
		defer w.bus.mu.Unlock()
		if w.bus.gets != before {
			t.Errorf("%d fetches although all is equal", w.bus.gets-before)
		}
	})
}

func TestSyncRepairsDamage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := start(t, func(cs map[core.NodeID]*Catalog) {
			it := put(t, cs[1], "m", "good")
			it.Content = []byte("good")
			if ok, err := cs[2].Merge(it); !ok || err != nil {
				t.Fatal(ok, err)
			}
			if err := writeOver(cs[2].path("m", it.Version), "bad!"); err != nil {
				t.Fatal(err)
			}
			cs[2] = open(t, cs[2].dir, 2)
			if len(cs[2].Damaged()) != 1 {
				t.Fatal("the damage was not seen")
			}
		})
		w.equal(t, 1, 2, 3)
		if got := get(t, w.catalogs[2], "m"); string(got.Content) != "good" {
			t.Errorf("got %q", got.Content)
		}
	})
}

func TestRemoteDigestRefusesRubbish(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := start(t, nil)
		if err := w.syncers[1].RemoteDigest(2, []byte("rubbish")); err == nil || !strings.Contains(err.Error(), "node 2") {
			t.Errorf("%v", err)
		}
		for _, request := range []string{"{", `{"name":"../x"}`, `{"name":"none"}`, `{"name":"m","offset":-1}`, `{"name":"m","offset":9}`, `{"name":"m","version":{"counter":9,"node":1}}`} {
			put(t, w.catalogs[2], "m", "x")
			if _, err := (port{w.bus, 1}).Call(context.Background(), 2, KindGet, []byte(request)); err == nil {
				t.Errorf("%s was answered", request)
			}
		}
		w.syncers[1].Forget(2)
		if fmt.Sprint(w.syncers[1].Signatures()["m"][2]) != fmt.Sprint(Signature{}) {
			t.Error("a forgotten node is still listed")
		}
	})
}
