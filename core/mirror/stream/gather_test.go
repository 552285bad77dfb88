package stream

import (
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// counted counts what is written to a connection, and how much of it at the same time.
type counted struct {
	net.Conn
	writes, inside, together atomic.Int32
	slow                     time.Duration // of a write
}

func (c *counted) Write(b []byte) (int, error) {
	c.writes.Add(1)
	if c.inside.Add(1) > 1 {
		c.together.Add(1)
	}
	time.Sleep(c.slow) // virtual
	defer c.inside.Add(-1)
	return c.Conn.Write(b)
}

// countedSession is a session, and both its ends, of which the greetings do not count.
func countedSession(t *testing.T, fs FileSystem) (s *Sender, near, far *counted) {
	t.Helper()
	a, b := net.Pipe()
	near, far = &counted{Conn: a}, &counted{Conn: b}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		r, err := NewReceiver(far, fs, Options{Patience: time.Hour})
		if err == nil {
			err = r.Run()
		}
		if err != nil {
			t.Error(err)
		}
	}()
	s, err := NewSender(near, Options{Patience: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		s.Close()
		<-ended
	})
	synctest.Wait()
	near.writes.Store(0)
	far.writes.Store(0)
	return s, near, far
}

func put(t *testing.T, s *Sender, op Op, until Level) Ticket {
	t.Helper()
	ticket, err := s.Put(op, until)
	if err != nil {
		t.Fatal(err)
	}
	return ticket
}

// What nobody waits for goes together, and soon.
func TestWhatNobodyWaitsForGathers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fs := &plain{}
		s, near, far := countedSession(t, fs)
		for range 10 {
			put(t, s, Op{Kind: Write, File: 2, Data: []byte("x")}, Sent)
		}
		synctest.Wait()
		if n, _ := fs.count(); n != 0 || near.writes.Load() != 0 {
			t.Errorf("%d were applied at once, with %d writes", n, near.writes.Load())
		}
		time.Sleep(gathering)
		synctest.Wait()
		if n, _ := fs.count(); n != 10 || near.writes.Load() != 1 || far.writes.Load() != 1 || s.Status().Applied != 10 {
			t.Errorf("%d were applied, with %d writes and %d answers; %+v", n, near.writes.Load(), far.writes.Load(), s.Status())
		}
		time.Sleep(10 * gathering)
		put(t, s, Op{Kind: Write, File: 2, Data: []byte("x")}, Sent)
		time.Sleep(2 * gathering)
		synctest.Wait()
		if n, _ := fs.count(); n != 11 {
			t.Errorf("%d were applied after a pause", n)
		}
	})
}

// What somebody waits for goes at once, with what has gathered, and so does much.
func TestWhatIsWaitedForGoesAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fs := &plain{}
		s, near, far := countedSession(t, fs)
		begin := time.Now()
		put(t, s, Op{Kind: Write, File: 2, Data: []byte("x")}, Sent)
		put(t, s, Op{Kind: Stamp, File: 2}, Applied)
		if err := put(t, s, Op{Kind: Fsync, File: 2}, Durable).Wait(Durable); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if n := near.writes.Load(); n != 1 {
			t.Errorf("a write and its sync were %d writes", n)
		}
		if err := put(t, s, Op{Kind: Rename, Parent: 1, Name: "a", NewParent: 1, NewName: "b"}, Applied).Wait(Applied); err != nil {
			t.Fatal(err)
		}
		ticket := put(t, s, Op{Kind: Unlink, Parent: 1, Name: "a"}, Applied)
		ticket.Push()
		synctest.Wait()
		if s.Status().Applied != ticket.Seq() {
			t.Errorf("pushed: %+v", s.Status())
		}
		for range 3 {
			put(t, s, Op{Kind: Write, File: 2, Data: make([]byte, plenty)}, Sent)
		}
		synctest.Wait()
		if n, commits := fs.count(); n != 7 || commits != 1 {
			t.Errorf("%d applied, %d syncs", n, commits)
		}
		if took := time.Since(begin); took != 0 {
			t.Errorf("it took %s", took)
		}
		if n := far.writes.Load(); n > 7 {
			t.Errorf("%d answers", n)
		}
	})
}

// Only one writes at a time, or what is numbered would arrive in another order; what came
// meanwhile follows.
func TestOneWritesAtATime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fs := &plain{}
		s, near, _ := countedSession(t, fs)
		near.slow = time.Second
		var clients sync.WaitGroup
		for n := range 20 {
			clients.Go(func() {
				time.Sleep(time.Duration(n) * 100 * time.Millisecond) // virtual
				put(t, s, Op{Kind: Write, File: 2, Data: make([]byte, 30<<10)}, Sent)
				if err := put(t, s, Op{Kind: Fsync, File: 2}, Durable).Wait(Durable); err != nil {
					t.Error(err)
				}
			})
		}
		clients.Wait()
		if n := near.together.Load(); n > 0 {
			t.Errorf("%d of %d writes to the connection began during another", n, near.writes.Load())
		}
		if n, _ := fs.count(); n != 20 {
			t.Errorf("%d were applied", n)
		}
	})
}

// A sync is answered once: what was applied before it goes with it.
func TestASyncIsAnsweredOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, _, far := countedSession(t, &plain{slow: time.Second})
		put(t, s, Op{Kind: Write, File: 2, Data: []byte("x")}, Sent)
		put(t, s, Op{Kind: Stamp, File: 2, Unwaited: true}, Applied)
		if err := put(t, s, Op{Kind: Fsync, File: 2}, Durable).Wait(Durable); err != nil {
			t.Fatal(err)
		}
		if n := far.writes.Load(); n != 1 {
			t.Errorf("%d answers", n)
		}
		// Where the memory of the secondary is enough, it is answered before.
		begin := time.Now()
		if err := put(t, s, Op{Kind: Fsync, File: 2}, Applied).Wait(Applied); err != nil || time.Since(begin) != 0 {
			t.Errorf("applied after %s: %v", time.Since(begin), err)
		}
	})
}
