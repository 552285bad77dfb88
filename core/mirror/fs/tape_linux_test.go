package fs

import (
	"bufio"
	"bytes"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"sync"
	"testing"

	"github.com/orchestrator-ha/orchestrator/core/mirror/replica"
	"github.com/orchestrator-ha/orchestrator/core/mirror/stream"
)

// tape is a recording of what a secondary applied, in its order, and of what clients of the
// primary were told meanwhile.
type tape struct {
	stream.FileSystem

	mu   sync.Mutex
	ops  []stream.Op
	told []told
}

// told is a commit of which a client was told when there were so many operations.
type told struct {
	at   int
	what string
}

func (x *tape) Apply(op stream.Op) error {
	if err := x.FileSystem.Apply(op); err != nil {
		return err
	}
	op.Data = bytes.Clone(op.Data)
	x.mu.Lock()
	defer x.mu.Unlock()
	x.ops = append(x.ops, op)
	return nil
}

// listen notes each line of a client's output as what it was told.
func (x *tape) listen(out io.Reader) {
	for s := bufio.NewScanner(out); s.Scan(); {
		x.mu.Lock()
		x.told = append(x.told, told{len(x.ops), s.Text()})
		x.mu.Unlock()
	}
}

// record begins a session that goes onto a tape, and answers a copy of what the
// secondary has at its begin.
func (p *pair) record() (x *tape, before string) {
	p.t.Helper()
	before = p.b + ".before"
	x = &tape{}
	p.settled()
	p.mount.Between(func() {
		p.rec.sender.Close()
		must(p.t, <-p.ended)
		p.copy.Close()
		must(p.t, exec.Command("cp", "-a", p.b, before).Run())
		p.tape = x
		p.connect()
	})
	return x, before
}

// cuts applies the tape to dir, which it finds as it was at the begin, and stops after some
// numbers of operations; all of them, if no more than so many are asked for. check then
// gets a copy of dir, which it may change, and what it has to hold.
func (x *tape) cuts(t *testing.T, dir string, rng *rand.Rand, atMost int, check func(cut int, dir string, promised []string)) {
	t.Helper()
	points := rng.Perm(len(x.ops) + 1)
	points = points[:min(atMost, len(points))]
	slices.Sort(points)
	r, err := replica.Open(dir)
	must(t, err)
	defer r.Close()
	done := 0
	for _, cut := range points {
		for ; done < cut; done++ {
			if err := r.Apply(x.ops[done]); err != nil {
				t.Fatalf("operation %d, %s: %v", done, x.ops[done], err)
			}
		}
		var promised []string
		for _, c := range x.told {
			if c.at <= cut {
				promised = append(promised, c.what)
			}
		}
		fork := dir + ".cut"
		if out, err := exec.Command("cp", "-a", dir, fork).CombinedOutput(); err != nil {
			t.Fatalf("copy %s: %v: %s", dir, err, out)
		}
		if check(cut, fork, promised); t.Failed() {
			t.Fatalf("the copy does not hold after %d of %d operations; the last: %v", cut, len(x.ops), x.ops[max(0, cut-5):cut])
		}
		must(t, os.RemoveAll(fork))
	}
	t.Logf("%d operations, %d commits, %d cuts", len(x.ops), len(x.told), len(points))
}

// cutsOr is how many cuts are to be made: CUTS=5000 looks further.
func cutsOr(otherwise int) int {
	if n, err := strconv.Atoi(os.Getenv("CUTS")); err == nil {
		return n
	}
	return otherwise
}
