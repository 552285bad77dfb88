package primary

import (
	"encoding/json"
	"errors"
	"net"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/orchestrator-ha/orchestrator/core/mirror"
	"github.com/orchestrator-ha/orchestrator/core/mirror/stream"
	"github.com/orchestrator-ha/orchestrator/core/mirror/zones"
)

// pair is a recorder and the secondary that it may be connected to. The data is a number
// for each zone of one file.
type pair struct {
	t     *testing.T
	rec   *Recorder
	log   *zones.Log
	lock  chan struct{} // the file system's locks, in one; a channel, so that time may pass meanwhile
	fresh mirror.Generation
	bound uint64 // session in which the file was introduced

	mu     sync.Mutex
	here   map[int64]byte
	there  map[int64]byte
	stored []mirror.Generations
	peer   mirror.Generations // as stored there
	slow   time.Duration      // of a sync there
	sender *stream.Sender
	ended  chan struct{}
	knows  bool // the file was introduced there
	failed error
}

const file, size = 7, 1 << 20

func newPair(t *testing.T) *pair {
	t.Helper()
	log, err := zones.Open(zones.Directory(t.TempDir()), zones.Options{ZoneSize: size})
	if err != nil {
		t.Fatal(err)
	}
	p := &pair{t: t, log: log, lock: make(chan struct{}, 1), here: map[int64]byte{}, there: map[int64]byte{}, fresh: 100}
	p.peer = mirror.Generations{Current: 1}
	promoted := mirror.Generations{Current: 1}.Promoted(2)
	p.rec = New(promoted, Options{
		Mode: stream.ModeFsync, Zones: log,
		Store:   func(g mirror.Generations) error { p.stored = append(p.stored, g); return g.Check() },
		Sync:    func() error { return nil },
		Between: func(change func()) { p.lock <- struct{}{}; change(); <-p.lock },
		Copy:    func(mirror.Extent) { go p.copy(p.sender) },
		Say: func(s *stream.Sender, w mirror.Word) error {
			b, _ := json.Marshal(w)
			_, err := s.Send(stream.Op{Kind: stream.Word, Data: b})
			return err
		},
		Decline: func(d mirror.Decision) { t.Errorf("declined: %s", d) },
	})
	return p
}

// copy sends what is recorded, as the resynchronisation is to.
func (p *pair) copy(s *stream.Sender) {
	if p.rec.Carry(s, func() error { return nil }) != nil {
		return
	}
	r := p.log.Recorded()
	for _, z := range slices.Concat(r.Dirty, r.Active) {
		if z.Inode != file || z.Index >= zones.Whole {
			continue
		}
		p.lock <- struct{}{}
		p.mu.Lock()
		v := p.here[int64(z.Index)]
		p.mu.Unlock()
		p.bind()
		_, err := s.Send(stream.Op{Kind: stream.Write, File: file, Offset: int64(z.Index) * size, Data: []byte{v}})
		<-p.lock
		if err != nil {
			return
		}
	}
	p.rec.Copied(s)
}

// bind introduces the file in each session, with the lock held.
func (p *pair) bind() {
	if s := p.rec.Session(); s != p.bound {
		if _, err := p.rec.Record(stream.Op{Kind: stream.Bind, File: file, Parent: stream.Root, Name: "f"}, file); err == nil {
			p.bound = s
		}
	}
}

// write is what the file system does, then fsync.
func (p *pair) write(zone int64, v byte) error {
	p.lock <- struct{}{}
	p.bind()
	_, err := p.rec.Record(stream.Op{Kind: stream.Write, File: file, Offset: zone * size, Data: []byte{v}}, file)
	if err == nil {
		p.mu.Lock()
		p.here[zone] = v
		p.mu.Unlock()
		var done interface{ Wait() error }
		if done, err = p.rec.Record(stream.Op{Kind: stream.Fsync, File: file}, file); err == nil {
			<-p.lock
			return done.Wait()
		}
	}
	<-p.lock
	return err
}

// Apply and Commit are the secondary's file system.
func (p *pair) Apply(op stream.Op) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case op.Kind == stream.Bind:
		p.knows = true
	case !p.knows:
		p.failed = errors.New("the file was not introduced in this session")
		return p.failed
	default:
		p.there[op.Offset/size] = op.Data[0]
	}
	return nil
}

func (p *pair) Commit(stream.Op) (func() error, error) {
	return func() error { time.Sleep(p.slow); return nil }, nil // virtual
}

// connect begins a session with the secondary.
func (p *pair) connect() {
	near, far := net.Pipe()
	second := mirror.NewSecondary(p.peer)
	p.knows = false
	var r *stream.Receiver
	p.ended = make(chan struct{})
	hear := func(b []byte) {
		var w mirror.Word
		if err := json.Unmarshal(b, &w); err != nil {
			p.t.Error(err)
		}
		for events := []mirror.Event{mirror.Heard{Word: w}}; len(events) > 0; events = events[1:] {
			for _, e := range second.Step(events[0]) {
				switch e := e.(type) {
				case mirror.Store:
					p.peer = e.Generations
					events = append(events, mirror.Stored{})
				case mirror.Sync:
					events = append(events, mirror.Synced{})
				case mirror.Say:
					b, _ := json.Marshal(e.Word)
					r.Say(b)
				}
			}
		}
	}
	made := make(chan struct{})
	go func(ended chan struct{}) {
		defer close(ended)
		var err error
		r, err = stream.NewReceiver(far, p, stream.Options{Word: hear})
		close(made)
		if err == nil {
			_ = r.Run()
		}
	}(p.ended)
	words := make(chan mirror.Word, 10)
	sender, err := stream.NewSender(near, stream.Options{Word: func(b []byte) {
		var w mirror.Word
		_ = json.Unmarshal(b, &w)
		words <- w
	}})
	if err != nil {
		p.t.Fatal(err)
	}
	<-made
	p.sender = sender
	go func() {
		for {
			select {
			case w := <-words:
				p.rec.Hear(sender, w)
			case <-sender.Done():
				return
			}
		}
	}()
	p.rec.Connect(sender, p.peer)
}

// cut breaks the connection, and waits until both ends have noticed.
func (p *pair) cut() {
	p.sender.Close()
	<-p.ended
	synctest.Wait()
}

func (p *pair) state(want mirror.State) {
	p.t.Helper()
	synctest.Wait()
	if got := p.rec.State(); got != want {
		p.t.Fatalf("the primary is %s, not %s", got, want)
	}
}

// recorded fails unless each zone in which the copies differ is recorded.
func (p *pair) recorded() {
	p.t.Helper()
	r := p.log.Recorded()
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.failed != nil {
		p.t.Fatal(p.failed)
	}
	for z, v := range p.here {
		if zone := (zones.Zone{Inode: file, Index: uint32(z)}); p.there[z] != v && !slices.Contains(r.Dirty, zone) && !slices.Contains(r.Active, zone) {
			p.t.Fatalf("zone %d holds %d here and %d there, and is not recorded: %+v", z, v, p.there[z], r)
		}
	}
}
