package cluster

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/orchestrator-ha/orchestrator/core"
)

const detect = time.Second

var quiet = slog.New(slog.NewTextHandler(io.Discard, nil))

func trio() []Peer {
	return []Peer{{Number: 1, Name: "web1"}, {Number: 2, Name: "web2"}, {Number: 3, Name: "web3"}}
}

// drain returns what has happened so far, as text.
func drain(c *Cluster) (list []string) {
	for {
		synctest.Wait()
		select {
		case e, ok := <-c.Events():
			if !ok {
				return append(list, "closed")
			}
			text := fmt.Sprintf("%s %d", e.Kind, e.Node)
			switch e.Kind {
			case Joined, MetaChanged:
				text += " " + string(e.Meta)
			case Message:
				text += " " + e.Name + " " + string(e.Payload)
			case RemoteState:
				text += " " + string(e.Payload)
			case Left:
				text += fmt.Sprint(" ", e.Graceful)
			}
			list = append(list, text)
		default:
			return list
		}
	}
}

func expect(t *testing.T, c *Cluster, want ...string) {
	t.Helper()
	got := drain(c)
	slices.Sort(got)
	slices.Sort(want)
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("events of node %d:\n%s", c.self.Number, d)
	}
}

func startMemory(t *testing.T, m *Memory, n core.NodeID, meta *string) *Cluster {
	t.Helper()
	c, err := m.New(Options{
		Self: n, Name: fmt.Sprint("web", n), Cluster: "f00d", Peers: trio(), Log: quiet,
		Meta:   func() []byte { return []byte(*meta) },
		Digest: func() []byte { return []byte(fmt.Sprint("digest", n)) },
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

func memoryTrio(t *testing.T) (*Memory, [4]*Cluster, *[4]string) {
	t.Helper()
	m := NewMemory(detect)
	var cs [4]*Cluster
	meta := &[4]string{"", "m1", "m2", "m3"}
	for n := core.NodeID(1); n <= 3; n++ {
		cs[n] = startMemory(t, m, n, &meta[n])
	}
	return m, cs, meta
}

func TestMembership(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, cs, meta := memoryTrio(t)
		expect(t, cs[1], "joined 2 m2", "joined 3 m3", "remote-state 2 digest2", "remote-state 3 digest3")
		drain(cs[2])
		drain(cs[3])

		meta[2] = "new"
		if err := cs[2].Announce(); err != nil {
			t.Fatal(err)
		}
		expect(t, cs[1], "meta-changed 2 new")
		expect(t, cs[3], "meta-changed 2 new")

		m.Isolate(3)
		expect(t, cs[1]) // not found out yet
		time.Sleep(detect)
		expect(t, cs[1], "left 3 false")
		m.Rejoin(3)
		expect(t, cs[1], "joined 3 m3", "remote-state 3 digest3")
		expect(t, cs[3], "left 1 false", "left 2 false", "joined 1 m1", "joined 2 new", "remote-state 1 digest1", "remote-state 2 digest2")

		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		if err := cs[2].Leave(ctx); err != nil {
			t.Fatal(err)
		}
		cs[2].Close()
		expect(t, cs[1], "left 2 true")
		if got := status(cs[1]); got != "1=alive 2=left 3=alive" {
			t.Error(got)
		}
		time.Sleep(detect)
		expect(t, cs[1])
		startMemory(t, m, 2, &meta[2])
		expect(t, cs[1], "joined 2 new", "remote-state 2 digest2")

		cs[3].Close()
		if got := drain(cs[3]); got[len(got)-1] != "closed" {
			t.Errorf("the channel is open: %v", got)
		}
		restarted := startMemory(t, m, 3, &meta[3]) // before its end was noticed
		expect(t, cs[1], "left 3 false", "joined 3 m3", "remote-state 3 digest3")
		time.Sleep(2 * detect)
		expect(t, cs[1])
		drain(restarted)
	})
}

func status(c *Cluster) string {
	var list []string
	for _, m := range c.Members() {
		list = append(list, fmt.Sprintf("%d=%s", m.Node, m.Status))
	}
	return strings.Join(list, " ")
}

func TestMessages(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, cs, _ := memoryTrio(t)
		for _, c := range cs[1:] {
			drain(c)
		}
		if err := cs[1].Send(2, "k", []byte("hello")); err != nil {
			t.Fatal(err)
		}
		if err := cs[1].Broadcast("b", []byte("all")); err != nil {
			t.Fatal(err)
		}
		if err := cs[1].Send(1, "self", []byte("x")); err != nil {
			t.Fatal(err)
		}
		expect(t, cs[1], "message 1 self x")
		expect(t, cs[2], "message 1 k hello", "message 1 b all") // once, though sent twice
		expect(t, cs[3], "message 1 b all")

		m.Cut(1, 2)
		if err := cs[1].SendFast(2, "k", nil); err != nil {
			t.Errorf("a lost packet: %v", err)
		}
		if err := cs[1].Send(2, "k", nil); !errors.Is(err, errUnreachable) || !strings.Contains(err.Error(), "web2") {
			t.Errorf("%v", err)
		}
		if err := cs[1].Broadcast("b", []byte("rest")); err == nil || strings.Contains(err.Error(), "web3") {
			t.Errorf("%v", err)
		}
		expect(t, cs[3], "message 1 b rest")
		m.Heal(1, 2)
		drain(cs[2])
		m.Delay(1, 2, time.Minute)
		cs[1].Send(2, "slow", nil)
		expect(t, cs[2])
		time.Sleep(time.Minute)
		expect(t, cs[2], "message 1 slow ")

		for what, err := range map[string]error{
			"unknown":   cs[1].Send(9, "k", nil),
			"too large": cs[1].Send(2, "k", make([]byte, MaxPayload+1)),
			"not fast":  cs[1].SendFast(2, "k", make([]byte, MaxFast+1)),
			"long kind": cs[1].Send(1, strings.Repeat("k", maxKind+1), nil),
		} {
			if err == nil {
				t.Errorf("%s: no error", what)
			}
		}
		if err := cs[1].Send(9, "k", nil); !errors.Is(err, ErrUnknownNode) {
			t.Errorf("%v", err)
		}
	})
}

// A node that was taken out of the configuration has to be able to find that out, and no
// more.
func TestFormerNodeAsks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, cs, _ := memoryTrio(t)
		for _, kind := range []string{"open", "shut"} {
			cs[1].Handle(kind, func(_ context.Context, from core.NodeID, _ []byte) ([]byte, error) { return []byte(kind), nil })
		}
		cs[1].Open("open")
		cs[1].UpdatePeers(trio()[:2])
		if b, err := cs[3].Call(t.Context(), 1, "open", nil); err != nil || string(b) != "open" {
			t.Errorf("%q, %v", b, err)
		}
		if b, err := cs[3].Call(t.Context(), 1, "shut", nil); err == nil {
			t.Errorf("a stranger was answered: %q", b)
		}
		if err := cs[3].Send(1, "open", nil); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if got := drain(cs[1]); slices.ContainsFunc(got, func(s string) bool { return strings.HasPrefix(s, "message") }) {
			t.Errorf("a message of a stranger was taken: %v", got)
		}
	})
}

func TestUpdatePeers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, cs, _ := memoryTrio(t)
		for _, c := range cs[1:] {
			drain(c)
		}
		cs[1].UpdatePeers(trio()[:2])
		expect(t, cs[1], "left 3 false")
		cs[3].Send(1, "k", []byte("from a stranger"))
		expect(t, cs[1])
		if got := status(cs[1]); got != "1=alive 2=alive" {
			t.Error(got)
		}
		if _, err := cs[1].Call(t.Context(), 3, "k", nil); !errors.Is(err, ErrUnknownNode) {
			t.Errorf("%v", err)
		}
		cs[1].UpdatePeers(trio())
		expect(t, cs[1], "joined 3 m3")
		cs[3].Send(1, "k", []byte("friend"))
		expect(t, cs[1], "message 3 k friend")
	})
}

func TestCall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, cs, _ := memoryTrio(t)
		for _, c := range cs[1:] {
			c.Handle("echo", func(_ context.Context, from core.NodeID, b []byte) ([]byte, error) {
				return fmt.Appendf(nil, "%d says %s", from, b), nil
			})
			c.Handle("fail", func(context.Context, core.NodeID, []byte) ([]byte, error) { return nil, errors.New("no tables yet") })
			c.Handle("hang", func(ctx context.Context, _ core.NodeID, _ []byte) ([]byte, error) {
				<-ctx.Done()
				return nil, ctx.Err()
			})
			c.Handle("big", func(context.Context, core.NodeID, []byte) ([]byte, error) { return make([]byte, MaxPayload+1), nil })
		}
		ctx := context.Background()
		for _, to := range []core.NodeID{1, 2} {
			if b, err := cs[1].Call(ctx, to, "echo", []byte("hi")); err != nil || string(b) != "1 says hi" {
				t.Errorf("%q, %v", b, err)
			}
			var remote *RemoteError
			if _, err := cs[1].Call(ctx, to, "fail", nil); !errors.As(err, &remote) || remote.Text != "no tables yet" || !strings.Contains(err.Error(), fmt.Sprint("web", to)) {
				t.Errorf("%v", err)
			}
			if _, err := cs[1].Call(ctx, to, "none", nil); !errors.As(err, &remote) || !strings.Contains(err.Error(), "none") {
				t.Errorf("%v", err)
			}
			if _, err := cs[1].Call(ctx, to, "big", nil); !errors.As(err, &remote) {
				t.Errorf("%v", err)
			}
		}
		start := time.Now()
		if _, err := cs[1].Call(ctx, 2, "hang", nil); !errors.Is(err, context.DeadlineExceeded) || time.Since(start) != DefaultCallTimeout {
			t.Errorf("after %s: %v", time.Since(start), err)
		}
		m.Delay(1, 2, time.Second)
		start = time.Now()
		if _, err := cs[1].Call(ctx, 2, "echo", nil); err != nil || time.Since(start) != 2*time.Second {
			t.Errorf("after %s: %v", time.Since(start), err)
		}
		m.Cut(1, 2)
		if _, err := cs[1].Call(ctx, 2, "echo", nil); !errors.Is(err, errUnreachable) {
			t.Errorf("%v", err)
		}
		done := make(chan error)
		go func() { _, err := cs[1].Call(ctx, 3, "hang", nil); done <- err }()
		synctest.Wait()
		cs[1].Close()
		if err := <-done; !errors.Is(err, ErrClosed) {
			t.Errorf("%v", err)
		}
		if _, err := cs[1].Call(ctx, 3, "echo", nil); !errors.Is(err, ErrClosed) {
			t.Errorf("%v", err)
		}
		if err := cs[1].Send(3, "k", nil); !errors.Is(err, ErrClosed) {
			t.Errorf("%v", err)
		}
	})
}

func TestHandlersTakeMessages(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, cs, _ := memoryTrio(t)
		drain(cs[2])
		got := make(chan string, 1)
		cs[2].Handle("k", func(_ context.Context, from core.NodeID, b []byte) ([]byte, error) {
			got <- fmt.Sprint(from, " ", string(b))
			return nil, nil
		})
		cs[1].Send(2, "k", []byte("x"))
		if text := <-got; text != "1 x" {
			t.Error(text)
		}
		expect(t, cs[2])
	})
}

func TestSlowConsumerLosesMessagesOnly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, cs, _ := memoryTrio(t)
		drain(cs[2])
		for range maxQueued + 100 {
			cs[1].SendFast(2, "k", nil)
		}
		m.Cut(1, 2)
		time.Sleep(detect)
		list := drain(cs[2])
		if n := len(list); n > maxQueued+2 || list[n-1] != "left 1 false" {
			t.Errorf("%d events, the last is %s", n, list[n-1])
		}
	})
}

func TestOptionsAreChecked(t *testing.T) {
	good := Options{Self: 1, Name: "a", Cluster: "c", Log: quiet}
	for _, spoil := range []func(*Options){
		func(o *Options) { o.Self = 0 },
		func(o *Options) { o.Self = 65 },
		func(o *Options) { o.Name = "" },
		func(o *Options) { o.Cluster = "" },
		func(o *Options) { o.Cluster = strings.Repeat("c", 256) },
	} {
		o := good
		spoil(&o)
		if _, err := NewMemory(detect).New(o); err == nil {
			t.Errorf("%+v was accepted", o)
		}
	}
	m := NewMemory(detect)
	c, err := m.New(good)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := m.New(good); err == nil {
		t.Error("the same node twice")
	}
	if _, err := New(good); err == nil || !strings.Contains(err.Error(), "key") {
		t.Errorf("without a key: %v", err)
	}
	good.Key = make([]byte, keySize)
	if _, err := New(good); err == nil || !strings.Contains(err.Error(), "Advertise") {
		t.Errorf("without an address: %v", err)
	}
}
