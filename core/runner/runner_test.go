package runner

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/orchestrator-ha/orchestrator/core"
)

// stage is a journal and effects in one, so that the order of both is seen.
type stage struct {
	mu      sync.Mutex
	records []Record
	lines   []string
	hold    map[string]func(core.Event) // answers held back, by hook or order
	fails   map[string]string           // hook → reason
	took    time.Duration               // of each hook
	broken  error                       // what Append answers
}

func newStage() *stage {
	return &stage{hold: map[string]func(core.Event){}, fails: map[string]string{}, took: time.Second}
}

func (s *stage) Append(r Record) (int64, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.broken != nil {
		return 0, s.broken
	}
	s.records = append(s.records, r)
	s.lines = append(s.lines, "journal "+r.Text)
	return int64(len(s.records)), nil
}

func (s *stage) Do(_ context.Context, a core.Action, cause int64, answer func(core.Event)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	name := string(a.Kind)
	ev := core.Event{Kind: core.EventNetwork, OK: true}
	switch a.Kind {
	case core.ActHook:
		name = a.Hook.Name
		ev = core.Event{Kind: core.EventHook, Name: name, OK: s.fails[name] == "", Reason: s.fails[name]}
	case core.ActShare:
		name = string(a.Share)
		ev = core.Event{Kind: core.EventShare, Name: name, OK: true}
	case core.ActNetworkUp, core.ActNetworkDown, core.ActNetworkNew:
	default:
		answer = nil
	}
	s.lines = append(s.lines, fmt.Sprintf("do %s because of %d", name, cause))
	if _, held := s.hold[name]; held {
		s.hold[name] = answer
		return
	}
	if answer != nil {
		time.AfterFunc(s.took, func() { answer(ev) })
	}
}

func (s *stage) texts(kind string) []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []string
	for _, r := range s.records {
		if r.Kind == kind {
			out = append(out, r.Text)
		}
	}
	return out
}

func farm() core.Module {
	return core.Module{
		Name: "web", Mode: core.Farm, Shared: true, MaxLoop: 3, LoopInterval: time.Hour, LeaveTimeout: 10 * time.Second,
		Hooks:  map[string]bool{"start_both": true, "stop_both": true},
		Checks: []core.Check{{Resource: "tcp.web", When: core.WhenBoth, Action: core.VerbRestart}},
	}
}

func start(s *stage) *Runner {
	return New(Options{Instance: core.New(farm()), Effects: s, Journal: s, Log: slog.New(slog.NewTextHandler(io.Discard, nil))})
}

// command asks and waits until the module has settled.
func command(t *testing.T, r *Runner, v core.Verb) core.Instance {
	t.Helper()
	if err := r.Command(t.Context(), v, "", "root"); err != nil {
		t.Fatal(err)
	}
	in, err := r.WaitSettled(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return in
}

func TestJournalBeforeEffect(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage()
		r := start(s)
		defer r.Close()
		if in := command(t, r, core.VerbStart); in.Status() != "UP Ready" {
			t.Fatalf("start led to %s", in.Status())
		}
		journalled := slices.Index(s.lines, "journal Hook start_both is called, on the way from WAIT to UP.")
		done := slices.IndexFunc(s.lines, func(l string) bool { return strings.HasPrefix(l, "do start_both") })
		if journalled < 0 || done < journalled {
			t.Errorf("the hook is journalled at %d and called at %d:\n%s", journalled, done, strings.Join(s.lines, "\n"))
		}
	})
}

// Every entry leads back to the operator's command.
func TestCausesLeadToTheCommand(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage()
		s.fails["start_both"] = "exit status 3"
		r := start(s)
		defer r.Close()
		command(t, r, core.VerbStart)
		var chain []string
		for id := int64(len(s.records)); id != 0; id = s.records[id-1].Cause {
			chain = append(chain, s.records[id-1].Text)
		}
		want := []string{
			"web goes from WAIT Transient to STOP NotReady: stopped after 3 automatic restarts within 1h0m0s: start_both failed: exit status 3.",
			"Hook start_both failed: exit status 3.",
			"Hook start_both is called, on the way from WAIT to UP.",
		}
		if len(chain) < 3 || !slices.Equal(chain[:3], want) || chain[len(chain)-1] != "root asks for start of web." {
			t.Errorf("got chain\n%s", strings.Join(chain, "\n"))
		}
	})
}

func TestFailedCheckRestarts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage()
		r := start(s)
		defer r.Close()
		command(t, r, core.VerbStart)
		down := core.Event{Kind: core.EventResource, Resource: core.Resource{Name: "tcp.web", Value: core.ResDown, Reason: "refused"}}
		r.Post(down)
		r.Post(down) // belated: the checks are stopped, no entry
		synctest.Wait()
		in, err := r.WaitSettled(t.Context())
		if err != nil || in.Status() != "UP Ready" || len(in.Failures) != 1 {
			t.Errorf("got %s with %d counted, %v", in.Status(), len(in.Failures), err)
		}
		if got, want := s.texts("resource"), []string{"tcp.web is down: refused."}; !slices.Equal(got, want) {
			t.Errorf("got %q, want %q", got, want)
		}
	})
}

// The journal tells of the peer when it changes, not with each heartbeat.
func TestPeerIsJournalledOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage()
		m := core.Module{Name: "db", Mode: core.Mirror, Mirror: core.MirrorConfig{Self: 1, Peer: 2, PeerName: "node2"}}
		r := New(Options{Instance: core.New(m), Effects: s, Journal: s, Log: slog.New(slog.NewTextHandler(io.Discard, nil))})
		defer r.Close()
		peer := core.PeerState{Node: 2, State: core.Alone, Phase: core.Ready}
		for range 3 {
			peer.Seq++
			r.Post(core.Event{Kind: core.EventPeer, Peer: &peer})
			synctest.Wait()
		}
		r.Post(core.Event{Kind: core.EventPeerLost, Evidence: core.EvidenceSilent, Reason: "no heartbeat for 1s"})
		synctest.Wait()
		want := []string{"node2 is ALONE Ready.", "node2 is lost: no heartbeat for 1s."}
		if got := s.texts("peer"); !slices.Equal(got, want) {
			t.Errorf("got %q, want %q", got, want)
		}
	})
}

func TestRefusedCommand(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage()
		r := start(s)
		defer r.Close()
		err := r.Command(t.Context(), core.VerbStop, "", "root")
		refusal := new(core.Refusal)
		already := new(core.Already)
		if !errors.As(err, &refusal) || !errors.As(err, &already) || err.Error() != "web is already STOP on this node" {
			t.Errorf("got %v", err)
		}
		want := []string{"root asks for stop of web.", "Refused: web is already STOP on this node."}
		if got := s.texts("command"); !slices.Equal(got, want) {
			t.Errorf("got %q, want %q", got, want)
		}
	})
}

// A share that does not move is waited for as long as LeaveTimeout says; the
// answer to the order that was given up does not answer the one after it.
func TestLeaveTimeoutAndLateAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage()
		r := start(s)
		defer r.Close()
		command(t, r, core.VerbStart)
		s.hold["leave"] = nil
		before := time.Now()
		if err := r.Command(t.Context(), core.VerbStop, "", "root"); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		first := s.hold["leave"]
		if err := r.Command(t.Context(), core.VerbStopStart, "", "root"); err != nil { // queued
			t.Fatal(err)
		}
		if err := r.Command(t.Context(), core.VerbForceStop, "", "root"); err != nil {
			t.Fatal(err)
		}
		first(core.Event{Kind: core.EventShare, Name: "leave", OK: true})
		if in, err := r.WaitSettled(t.Context()); err != nil || in.State != core.Stop {
			t.Fatalf("got %s, %v", in.Status(), err)
		}
		if took := time.Since(before); took >= 10*time.Second {
			t.Errorf("forcestop waited for the share: %s", took)
		}
		command(t, r, core.VerbStart)
		before = time.Now()
		in := command(t, r, core.VerbStop)
		if took := time.Since(before); took < 10*time.Second || !strings.Contains(in.LastReason, "did not move") {
			t.Errorf("stop took %s: %s", took, in.LastReason)
		}
	})
}

func TestAnswerOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage()
		s.hold["start_both"] = nil
		r := start(s)
		defer r.Close()
		if err := r.Command(t.Context(), core.VerbStart, "", "root"); err != nil {
			t.Fatal(err)
		}
		updates, stop := r.Subscribe()
		for in := range updates {
			if in.Asked.Hook == "start_both" {
				break
			}
		}
		stop()
		synctest.Wait() // the state is published before the effect
		answer := s.hold["start_both"]
		answer(core.Event{Kind: core.EventHook, Name: "start_both", OK: true})
		answer(core.Event{Kind: core.EventHook, Name: "start_both", OK: false})
		if in, err := r.WaitSettled(t.Context()); err != nil || in.Status() != "UP Ready" {
			t.Errorf("got %s, %v", in.Status(), err)
		}
	})
}

// A loop that is held up neither blocks those who post nor loses their events.
func TestPostNeverBlocksNorDrops(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage()
		const n = 5000
		release, seen := make(chan struct{}), 0
		r := New(Options{Instance: core.New(farm()), Effects: s, Journal: s, Persist: func(core.Instance) {
			<-release
			seen++
		}})
		defer r.Close()
		for i := range n {
			r.Post(core.Event{Kind: core.EventResource, Resource: core.Resource{Name: "count.x", Value: core.ResUp, Reason: fmt.Sprint(i)}})
		}
		close(release)
		synctest.Wait()
		if got := r.Snapshot().Resources["count.x"].Reason; seen != n || got != fmt.Sprint(n-1) {
			t.Errorf("%d of %d events were seen, the last is %s", seen, n, got)
		}
	})
}

func TestBrokenJournalDoesNotStopTheModule(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage()
		s.broken = errors.New("disk full")
		r := start(s)
		defer r.Close()
		if in := command(t, r, core.VerbStart); in.Status() != "UP Ready" {
			t.Errorf("start led to %s", in.Status())
		}
	})
}

func TestClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage()
		r := start(s)
		command(t, r, core.VerbStart)
		r.Close()
		if err := r.Command(t.Context(), core.VerbStop, "", "root"); !errors.Is(err, ErrClosed) {
			t.Errorf("got %v", err)
		}
		if got := r.Snapshot().Status(); got != "UP Ready" {
			t.Errorf("Close changed the module to %s", got)
		}
	})
}

func TestPersistAndSubscribe(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage()
		var kept []core.State
		r := New(Options{Instance: core.New(farm()), Effects: s, Journal: s, Persist: func(in core.Instance) { kept = append(kept, in.Wanted) }})
		defer r.Close()
		updates, stop := r.Subscribe()
		if got := (<-updates).Status(); got != "STOP NotReady" {
			t.Errorf("the first update is %s", got)
		}
		command(t, r, core.VerbStart)
		if got := (<-updates).Status(); got != "UP Ready" {
			t.Errorf("the latest update is %s", got)
		}
		stop()
		command(t, r, core.VerbStop)
		if kept[0] != core.Up || kept[len(kept)-1] != core.Stop {
			t.Errorf("kept %v", kept)
		}
		if len(updates) != 0 {
			t.Error("an update came after the subscription ended")
		}
	})
}

// What effects need may be made after the runner: events wait for it.
func TestHold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, whole := newStage(), make(chan struct{})
		r := New(Options{Instance: core.New(farm()), Effects: s, Journal: s, Hold: whole})
		defer r.Close()
		r.Post(core.Event{Kind: core.EventResource, Resource: core.Resource{Name: "count.x", Value: core.ResUp}})
		synctest.Wait()
		if got, early := r.Snapshot().Resources["count.x"]; early {
			t.Errorf("it has heard of %v", got)
		}
		close(whole)
		synctest.Wait()
		if got := r.Snapshot().Resources["count.x"].Value; got != core.ResUp {
			t.Errorf("count.x is %v", got)
		}
	})
}
