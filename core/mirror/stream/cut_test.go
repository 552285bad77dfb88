package stream

import (
	"encoding/binary"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"net"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// cable is one end of a connection that breaks for both when a number of bytes has
// gone through this end's writes, in the middle of one if it must be.
type cable struct {
	net.Conn
	mu   sync.Mutex
	left int
}

func (c *cable) Write(b []byte) (int, error) {
	c.mu.Lock()
	n := min(len(b), c.left)
	c.left -= n
	c.mu.Unlock()
	done, err := c.Conn.Write(b[:n])
	if err == nil && n < len(b) {
		c.Conn.Close()
		err = io.ErrClosedPipe
	}
	return done, err
}

// tree is what a file system holds: names, and per file what each block holds.
type tree struct {
	names  map[string]FileID
	blocks map[FileID]map[int64]uint64
}

func newTree() tree { return tree{map[string]FileID{}, map[FileID]map[int64]uint64{}} }

func (t tree) apply(op Op) error {
	switch op.Kind {
	case Create:
		t.names[op.Name], t.blocks[op.File] = op.File, map[int64]uint64{}
	case Rename:
		if _, ok := t.names[op.Name]; !ok {
			return fmt.Errorf("no %s", op.Name)
		}
		t.names[op.NewName] = t.names[op.Name]
		delete(t.names, op.Name)
	case Unlink:
		if _, ok := t.names[op.Name]; !ok {
			return fmt.Errorf("no %s", op.Name)
		}
		delete(t.names, op.Name)
	case Write:
		t.blocks[op.File][op.Offset] = binary.BigEndian.Uint64(op.Data)
	}
	return nil
}

func (t tree) equal(o tree) bool { return fmt.Sprint(t) == fmt.Sprint(o) }

// disk is a virtual disk under a tree: a power cut leaves what was synced, and of each
// block since either the old or the new.
type disk struct {
	mu      sync.Mutex
	rng     *rand.Rand
	live    tree
	durable map[FileID]map[int64]uint64
	commits int
}

func (d *disk) Apply(op Op) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.live.apply(op)
}

// Commit is slow: what it makes durable is what was there when it began.
func (d *disk) Commit(op Op) (func() error, error) {
	return func() error {
		d.mu.Lock()
		d.commits++
		begin := maps.Clone(d.live.blocks[op.File])
		pause := time.Duration(d.rng.IntN(3000)) * time.Microsecond
		d.mu.Unlock()
		time.Sleep(pause) // virtual
		d.mu.Lock()
		defer d.mu.Unlock()
		if d.durable[op.File] == nil {
			d.durable[op.File] = map[int64]uint64{}
		}
		maps.Copy(d.durable[op.File], begin)
		return nil
	}, nil
}

// afterPowerCut is what a file would hold if the power went now and came back.
func (d *disk) afterPowerCut(f FileID) map[int64]uint64 {
	d.mu.Lock()
	defer d.mu.Unlock()
	left := maps.Clone(d.durable[f])
	for at, v := range d.live.blocks[f] {
		if d.rng.IntN(2) == 0 && left != nil {
			left[at] = v
		}
	}
	return left
}

// script is a random run of operations on a few files: what happened to each block and
// when is known, since every write has the number of its operation.
func script(rng *rand.Rand, n int) []Op {
	var ops []Op
	free, used := FileID(Root+1), []FileID{}
	names := newTree()
	name := func() string {
		for s := range names.names {
			return s
		}
		return ""
	}
	for len(ops) < n {
		op := Op{Parent: Root, NewParent: Root}
		seq := uint64(len(ops) + 1)
		switch r := rng.IntN(20); {
		case r < 2 || len(used) == 0:
			op.Kind, op.File, op.Name = Create, free, fmt.Sprint("f", free)
			used = append(used, free)
			free++
		case r < 3 && name() != "":
			op.Kind, op.Name, op.NewName = Rename, name(), fmt.Sprint("r", rng.IntN(4))
		case r < 4 && name() != "":
			op.Kind, op.Name = Unlink, name()
		case r < 9:
			op.Kind, op.File = Fsync, used[rng.IntN(len(used))]
		default:
			op.Kind, op.File, op.Offset = Write, used[rng.IntN(len(used))], int64(rng.IntN(4))
			op.Data = binary.BigEndian.AppendUint64(nil, seq)
		}
		_ = names.apply(op)
		ops = append(ops, op)
	}
	return ops
}

// cut runs ops over a connection that breaks after forth bytes to the secondary or
// back bytes to the primary, and checks what is left. It answers how many operations
// arrived.
func cut(t *testing.T, seed uint64, ops []Op, forth, back int) (applied int) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		a, b := net.Pipe()
		d := &disk{rng: rand.New(rand.NewPCG(seed, 3)), live: newTree(), durable: map[FileID]map[int64]uint64{}}
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			if r, err := NewReceiver(&cable{Conn: b, left: back}, d, Options{}); err == nil {
				_ = r.Run()
				applied = int(r.Applied())
			}
		}()
		var acked []acknowledged
		var mu sync.Mutex
		var waiting sync.WaitGroup
		told := Seq(0)
		s, err := NewSender(&cable{Conn: a, left: forth}, Options{Window: 200})
		for _, op := range ops {
			if err != nil {
				break
			}
			var ticket Ticket
			if ticket, err = s.Send(op); err != nil {
				break
			}
			if op.Kind != Fsync {
				continue
			}
			waiting.Go(func() {
				if ticket.Wait(Durable) == nil {
					mu.Lock()
					defer mu.Unlock()
					acked = append(acked, acknowledged{op.File, ticket.Seq(), d.afterPowerCut(op.File)})
				}
			})
		}
		if s != nil {
			waiting.Wait()
			told = s.Status().Applied
			s.Close()
		}
		<-ended
		check(t, seed, ops, d, applied, told, acked, fmt.Sprintf("cut after %d bytes there, %d back", forth, back))
	})
	return applied
}

// acknowledged is an Fsync that the primary was told is durable, and what the
// secondary's disk had of the file at that moment.
type acknowledged struct {
	file FileID
	seq  Seq
	left map[int64]uint64
}

func check(t *testing.T, seed uint64, ops []Op, d *disk, applied int, told Seq, acked []acknowledged, when string) {
	t.Helper()
	if int(told) > applied {
		t.Fatalf("seed %d, %s: the primary was told of %d applied operations, but %d were", seed, when, told, applied)
	}
	prefix := newTree()
	for _, op := range ops[:applied] {
		_ = prefix.apply(op)
	}
	if !prefix.equal(d.live) {
		t.Fatalf("seed %d, %s: after %d operations the secondary holds\n%v\nwhere the primary held\n%v", seed, when, applied, d.live, prefix)
	}
	for _, f := range acked {
		for i, op := range ops[:f.seq] {
			if seq := uint64(i + 1); op.Kind == Write && op.File == f.file && f.left[op.Offset] < seq {
				t.Fatalf("seed %d, %s: sync %d was acknowledged, but write %d to block %d of file %d is gone: it holds %d", seed, when, f.seq, seq, op.Offset, op.File, f.left[op.Offset])
			}
		}
	}
}

// Wherever the connection breaks and the secondary's power after it: its copy is one
// that the primary went through, and has all that was acknowledged.
func TestCutAtEveryByte(t *testing.T) {
	const seed = 11
	ops := script(rand.New(rand.NewPCG(seed, 1)), 60)
	const all = 1 << 20
	seen := map[int]bool{}
	for n := 0; ; n++ {
		applied := cut(t, seed, ops, n, all)
		seen[applied] = true
		if applied == len(ops) {
			t.Logf("seed %d: %d cuts there", seed, n)
			break
		}
	}
	if len(seen) != len(ops)+1 {
		t.Errorf("the cuts fell after %d different operations, of %d", len(seen), len(ops))
	}
	for n := range 1000 {
		cut(t, seed, ops, all, n)
	}
}

func TestCutAtRandom(t *testing.T) {
	runs := uint64(400)
	if testing.Short() {
		runs = 40
	}
	total := 0
	for seed := range runs {
		rng := rand.New(rand.NewPCG(seed, 2))
		ops := script(rng, 1+rng.IntN(500))
		total += cut(t, seed, ops, rng.IntN(8000), rng.IntN(8000))
	}
	t.Logf("seeds 0 to %d: %d operations", runs-1, total)
	if total == 0 {
		t.Error("nothing arrived")
	}
}
