package primary

import (
	"errors"
	"maps"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/orchestrator-ha/orchestrator/core/mirror"
	"github.com/orchestrator-ha/orchestrator/core/mirror/stream"
	"github.com/orchestrator-ha/orchestrator/core/mirror/zones"
)

func TestAloneJoinAndLoss(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPair(t)
		p.state(mirror.Alone)
		if err := p.write(3, 1); err != nil {
			t.Fatal(err)
		}
		p.recorded()
		p.connect()
		p.state(mirror.Mirroring)
		if p.there[3] != 1 || p.peer.Current != 2 || p.peer.Inconsistent() || len(p.log.Recorded().Dirty) > 0 {
			t.Errorf("after joining: there %v, %s, %+v", p.there, p.peer, p.log.Recorded())
		}
		p.slow = time.Second
		begin := time.Now()
		if err := p.write(4, 2); err != nil || time.Since(begin) != time.Second {
			t.Errorf("a write beside the peer took %s: %v", time.Since(begin), err)
		}

		p.slow = time.Hour // the connection breaks before
		answers := make(chan error, 2)
		go func() { answers <- p.write(5, 3) }()
		synctest.Wait()
		p.sender.Close()
		synctest.Wait()
		go func() { answers <- p.write(6, 4) }()
		p.state(mirror.Suspended)
		if len(answers) > 0 {
			t.Fatalf("answered before anybody was chosen: %v", <-answers)
		}
		p.rec.Choose(9)
		p.state(mirror.Alone)
		for range 2 {
			if err := <-answers; err != nil {
				t.Error(err)
			}
		}
		if g := p.stored[len(p.stored)-1]; g.Current != 9 || g.Bitmap != 2 {
			t.Errorf("stored %s", g)
		}
		p.recorded()
		if r := p.log.Recorded(); len(r.Dirty) != 3 || len(r.Active) != 0 { // 4 may be on one disk only
			t.Errorf("%+v", r)
		}
		<-p.ended
		p.slow = 0
		p.connect()
		p.state(mirror.Mirroring)
		if !maps.Equal(p.here, p.there) {
			t.Errorf("here %v, there %v", p.here, p.there)
		}
		p.cut()
	})
}

func TestWhatIsMarked(t *testing.T) {
	names, whole := uint32(zones.Names), uint32(zones.Whole)
	for _, c := range []struct {
		op     stream.Op
		inodes []uint64
		want   []zones.Zone
	}{
		{stream.Op{Kind: stream.Write, Offset: size - 1, Data: []byte("xy")}, []uint64{4}, []zones.Zone{{Inode: 4, Index: 0}, {Inode: 4, Index: 1}}},
		{stream.Op{Kind: stream.Rename}, []uint64{4, 5, 7}, []zones.Zone{{Inode: 4, Index: names}, {Inode: 5, Index: names}, {Inode: 7, Index: whole}, {Inode: 7, Index: names}}},
		{stream.Op{Kind: stream.Create}, []uint64{4, 6}, []zones.Zone{{Inode: 4, Index: names}, {Inode: 6, Index: whole}, {Inode: 6, Index: names}}},
		{stream.Op{Kind: stream.Unlink}, []uint64{4}, []zones.Zone{{Inode: 4, Index: names}}},
		{stream.Op{Kind: stream.SetXattr}, []uint64{4}, []zones.Zone{{Inode: 4, Index: names}}},
		{stream.Op{Kind: stream.Stamp}, []uint64{4}, []zones.Zone{{Inode: 4, Index: names}}},
		{stream.Op{Kind: stream.SetAttr, Flags: stream.AttrMode}, []uint64{4}, []zones.Zone{{Inode: 4, Index: names}}},
		{stream.Op{Kind: stream.SetAttr, Flags: stream.AttrSize}, []uint64{4}, []zones.Zone{{Inode: 4, Index: whole}, {Inode: 4, Index: names}}},
		{stream.Op{Kind: stream.Fallocate}, []uint64{4}, []zones.Zone{{Inode: 4, Index: whole}, {Inode: 4, Index: names}}},
		{stream.Op{Kind: stream.Fsync}, []uint64{4}, nil},
		{stream.Op{Kind: stream.Bind}, []uint64{4}, nil},
	} {
		p := newPair(t)
		if _, err := p.rec.Record(c.op, c.inodes...); err != nil {
			t.Fatal(err)
		}
		if got := p.log.Recorded().Dirty; !slices.Equal(got, c.want) {
			t.Errorf("%s of %v: %v, want %v", c.op.Kind, c.inodes, got, c.want)
		}
	}
}

func TestRejected(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPair(t)
		p.connect()
		p.state(mirror.Mirroring)
		p.slow = time.Hour
		answers := make(chan error, 1)
		go func() { answers <- p.write(5, 3) }()
		synctest.Wait()
		p.sender.Close()
		p.state(mirror.Suspended)
		p.rec.Reject()
		if err := <-answers; !errors.Is(err, ErrStopped) {
			t.Errorf("the write that waited: %v", err)
		}
		if err := p.write(6, 3); !errors.Is(err, ErrStopped) {
			t.Errorf("a write after that: %v", err)
		}
		<-p.ended
	})
}

func TestDivergedEndsTheSession(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPair(t)
		p.connect()
		p.state(mirror.Mirroring)
		p.rec.Diverged(8, errors.New("unreadable"))
		p.state(mirror.Suspended)
		if r := p.log.Recorded(); !slices.Contains(r.Dirty, zones.Zone{Inode: 8, Index: zones.Whole}) {
			t.Errorf("%+v", r)
		}
		<-p.ended
	})
}

// A disk that cannot record what the peer lacks stops everything.
func TestAFailedRecordStopsWrites(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPair(t)
		if err := p.log.Close(); err != nil {
			t.Fatal(err)
		}
		for range 2 {
			if err := p.write(1, 1); err == nil {
				t.Error("written without a record")
			}
		}
		if len(p.here) > 0 {
			t.Error("it was carried out")
		}
	})
}

// Writers go on while the connection breaks and comes back at any moment: what differs
// is recorded, and equals are equal.
func TestCutsUnderLoad(t *testing.T) {
	for seed := range uint64(30) {
		synctest.Test(t, func(t *testing.T) {
			rng := rand.New(rand.NewPCG(seed, 8))
			p := newPair(t)
			p.slow = 300 * time.Microsecond
			stop := make(chan struct{})
			var writers sync.WaitGroup
			for w := range 4 {
				wr := rand.New(rand.NewPCG(seed, uint64(w)))
				writers.Go(func() {
					for i := 0; ; i++ {
						select {
						case <-stop:
							return
						case <-time.After(time.Duration(wr.IntN(200)) * time.Microsecond): // virtual
						}
						if err := p.write(wr.Int64N(20), byte(1+wr.IntN(255))); err != nil {
							t.Errorf("seed %d: %v", seed, err)
							return
						}
					}
				})
			}
			joined := 0
			for range 12 {
				p.connect()
				time.Sleep(time.Duration(rng.IntN(5000)) * time.Microsecond) // virtual
				if p.rec.State() == mirror.Mirroring {
					joined++
				}
				p.sender.Close()
				<-p.ended
				synctest.Wait()
				p.recorded()
				if rng.IntN(3) > 0 {
					p.fresh++
					p.rec.Choose(p.fresh)
				}
			}
			p.connect()
			close(stop)
			writers.Wait()
			p.state(mirror.Mirroring)
			if !maps.Equal(p.here, p.there) {
				t.Errorf("seed %d: here %v\nthere %v", seed, p.here, p.there)
			}
			if joined == 0 {
				t.Errorf("seed %d: never joined", seed)
			}
			p.cut()
		})
	}
}
