package stream

import (
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// plain is a file system that notes what it is told.
type plain struct {
	mu      sync.Mutex
	ops     []Op
	commits int
	gate    chan struct{} // if set, Apply waits for it
	slow    time.Duration // of a sync
	fail    func(Op) error
}

func (p *plain) Apply(op Op) error {
	if p.gate != nil {
		<-p.gate
	}
	if p.fail != nil {
		if err := p.fail(op); err != nil {
			return err
		}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	op.Data = append([]byte(nil), op.Data...)
	p.ops = append(p.ops, op)
	return nil
}

func (p *plain) Commit(op Op) (func() error, error) {
	return func() error {
		time.Sleep(p.slow) // virtual
		p.mu.Lock()
		defer p.mu.Unlock()
		p.commits++
		if p.fail != nil {
			return p.fail(op)
		}
		return nil
	}, nil
}

func (p *plain) count() (ops, commits int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.ops), p.commits
}

// session connects a sender to a receiver that serves fs; the channel gets what Run
// answers.
func session(t *testing.T, fs FileSystem, o Options) (*Sender, *Receiver, <-chan error) {
	t.Helper()
	a, b := net.Pipe()
	ended := make(chan error, 1)
	var r *Receiver
	made := make(chan struct{})
	go func() {
		var err error
		r, err = NewReceiver(b, fs, o)
		close(made)
		if err == nil {
			err = r.Run()
		}
		ended <- err
	}()
	s, err := NewSender(a, o)
	if err != nil {
		t.Fatal(err)
	}
	<-made
	t.Cleanup(s.Close)
	return s, r, ended
}

func send(t *testing.T, s *Sender, op Op) Ticket {
	t.Helper()
	ticket, err := s.Send(op)
	if err != nil {
		t.Fatal(err)
	}
	return ticket
}

func TestOrderAndAnswers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fs := &plain{}
		s, _, ended := session(t, fs, Options{})
		for i := range 1000 {
			send(t, s, Op{Kind: Write, File: 2, Offset: int64(i), Data: []byte{byte(i)}})
		}
		last := send(t, s, Op{Kind: Fsync, File: 2})
		if err := last.Wait(Durable); err != nil {
			t.Fatal(err)
		}
		if st := s.Status(); st.Applied != 1001 || st.Waiting != 0 || st.Syncs != 0 {
			t.Errorf("%+v", st)
		}
		for i, op := range fs.ops {
			if op.Offset != int64(i) || op.Data[0] != byte(i) {
				t.Fatalf("operation %d is %s", i, op)
			}
		}
		s.Close()
		if err := <-ended; err != nil {
			t.Errorf("the receiver's end: %v", err)
		}
		if _, err := s.Send(Op{Kind: Ping}); !errors.Is(err, ErrClosed) {
			t.Errorf("send after the end: %v", err)
		}
	})
}

func TestFullWindowBlocks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fs := &plain{gate: make(chan struct{})}
		s, _, _ := session(t, fs, Options{Window: 10_000, Patience: time.Hour})
		go func() {
			for range 100 {
				if _, err := s.Send(Op{Kind: Write, File: 2, Data: make([]byte, 1000)}); err != nil {
					return
				}
			}
		}()
		synctest.Wait()
		st := s.Status()
		if st.Waiting < 10_000 || st.Waiting > 11_100 || st.Sent > 11 {
			t.Errorf("with nothing applied: %+v", st)
		}
		fs.gate <- struct{}{}
		synctest.Wait()
		if now := s.Status(); now.Sent != st.Sent+1 || now.Applied != 1 {
			t.Errorf("after one was applied: %+v, before %+v", now, st)
		}
		close(fs.gate)
		synctest.Wait()
		if now := s.Status(); now.Applied != 100 {
			t.Errorf("at the end: %+v", now)
		}
		s.Close()
	})
}

func TestAClosedSessionReleasesWhoWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fs := &plain{gate: make(chan struct{})}
		s, _, _ := session(t, fs, Options{Window: 100, Patience: time.Hour})
		ticket := send(t, s, Op{Kind: Write, File: 2, Data: make([]byte, 200)})
		results := make(chan error, 2)
		go func() { results <- ticket.Wait(Applied) }()
		go func() { _, err := s.Send(Op{Kind: Ping}); results <- err }()
		synctest.Wait()
		s.Close()
		for range 2 {
			if err := <-results; !errors.Is(err, ErrClosed) {
				t.Error(err)
			}
		}
		close(fs.gate)
	})
}

func TestSyncsAreMerged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fs := &plain{slow: time.Second}
		s, _, _ := session(t, fs, Options{})
		begin := time.Now()
		var tickets []Ticket
		for range 50 {
			tickets = append(tickets, send(t, s, Op{Kind: Fsync, File: 2}))
		}
		other := send(t, s, Op{Kind: Fsync, File: 3})
		if err := other.Wait(Durable); err != nil || time.Since(begin) > time.Second {
			t.Errorf("another file's sync took %s: %v", time.Since(begin), err)
		}
		for _, ticket := range tickets {
			if err := ticket.Wait(Durable); err != nil {
				t.Fatal(err)
			}
		}
		if _, commits := fs.count(); commits != 3 || time.Since(begin) != 2*time.Second {
			t.Errorf("%d syncs in %s; want one for the first, one for the 49 after it, one for the other file", commits, time.Since(begin))
		}
		s.Close()
	})
}

func TestFailuresEndTheSession(t *testing.T) {
	disk := errors.New("no space left on device")
	for _, op := range []Op{{Kind: Write, File: 2, Data: []byte("x")}, {Kind: Fsync, File: 2}} {
		synctest.Test(t, func(t *testing.T) {
			fs := &plain{slow: time.Second, fail: func(Op) error { return disk }}
			s, _, ended := session(t, fs, Options{})
			send(t, s, Op{Kind: Ping})
			ticket := send(t, s, op)
			err := ticket.Wait(Durable)
			var failed *FailedError
			if !errors.As(err, &failed) || failed.Seq != 2 || !strings.Contains(failed.Text, disk.Error()) {
				t.Errorf("%s: %v", op, err)
			}
			if err := <-ended; !errors.As(err, &failed) {
				t.Errorf("the receiver's end: %v", err)
			}
		})
	}
}

func TestStalledPeers(t *testing.T) {
	stalled := func(t *testing.T, err error) {
		t.Helper()
		if e := (*StalledError)(nil); !errors.As(err, &e) {
			t.Errorf("%v", err)
		}
	}
	t.Run("receiver", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			fs := &plain{gate: make(chan struct{})}
			s, _, _ := session(t, fs, Options{Patience: 4 * time.Second})
			time.Sleep(time.Hour) // an idle session lives
			begin := time.Now()
			stalled(t, send(t, s, Op{Kind: Forget, File: 2}).Wait(Applied))
			if d := time.Since(begin); d < 3*time.Second || d > 6*time.Second {
				t.Errorf("noticed after %s", d)
			}
			close(fs.gate)
		})
	})
	t.Run("a slow disk is no stall", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			fs := &plain{slow: 30 * time.Second}
			s, _, _ := session(t, fs, Options{Patience: 4 * time.Second})
			if err := send(t, s, Op{Kind: Fsync, File: 2}).Wait(Durable); err != nil {
				t.Error(err)
			}
			s.Close()
		})
	})
	t.Run("a hanging disk is", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			fs := &plain{slow: time.Hour}
			s, _, ended := session(t, fs, Options{Patience: 4 * time.Second})
			stalled(t, send(t, s, Op{Kind: Fsync, File: 2}).Wait(Durable))
			<-ended
		})
	})
	t.Run("sender", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			a, b := net.Pipe()
			go func() {
				_ = writeHello(a)
				_ = readHello(a)
			}()
			r, err := NewReceiver(b, &plain{}, Options{Patience: 4 * time.Second})
			if err != nil {
				t.Fatal(err)
			}
			stalled(t, r.Run())
		})
	})
	t.Run("greeting", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			a, _ := net.Pipe()
			_, err := NewSender(a, Options{})
			stalled(t, err)
		})
	})
}

func TestWords(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		heard := make(chan string, 2)
		s, r, _ := session(t, &plain{}, Options{Word: func(b []byte) { heard <- string(b) }})
		if err := send(t, s, Op{Kind: Word, Data: []byte("fill")}).Wait(Applied); err != nil {
			t.Fatal(err)
		}
		r.Say([]byte("filling"))
		if got := fmt.Sprint(<-heard, <-heard); got != "fill filling" && got != "fillfilling" {
			t.Error(got)
		}
		s.Close()
	})
}

func TestStrangers(t *testing.T) {
	for first, want := range map[string]string{
		"GET / HTTP/1.1\r\nHost: mirror\r\n": "does not speak",
		magic + "\x00\x00\x00\x09":           "version 9",
		"short":                              "greeting",
	} {
		a, b := net.Pipe()
		go func() {
			_, _ = b.Write([]byte(first))
			b.Close()
		}()
		if _, err := NewReceiver(a, &plain{}, Options{}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v", first, err)
		}
	}
}

func TestModes(t *testing.T) {
	for _, c := range []struct {
		mode Mode
		kind Kind
		want Level
	}{
		{ModeFsync, Write, Sent}, {ModeFsync, Create, Sent}, {ModeFsync, Rename, Applied}, {ModeFsync, Unlink, Applied}, {ModeFsync, Stamp, Applied}, {ModeFsync, Fsync, Durable},
		{ModeWrite, Write, Applied}, {ModeWrite, Create, Applied}, {ModeWrite, Fsync, Durable},
		{ModeMemory, Write, Sent}, {ModeMemory, Stamp, Applied}, {ModeMemory, Fsync, Applied},
	} {
		if got := c.mode.Wait(c.kind); got != c.want {
			t.Errorf("%s, %s: level %d, want %d", c.mode, c.kind, got, c.want)
		}
	}
}
