package replication

import (
	"net/netip"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/orchestrator-ha/orchestrator/core"
)

// mirroring makes a pair that mirrors, of which the cluster knows.
func mirroring(t *testing.T, change func(*Options)) (a, b *node) {
	t.Helper()
	a, b = newPair(t, 1)
	for _, n := range []*node{a, b} {
		n.r.Close()
		n.start(change)
	}
	return a, b
}

func (n *node) told(news core.ReplicaNews) bool { return slices.Contains(n.news, string(news)) }

// join makes a primary and b secondary.
func join(t *testing.T, a, b *node) {
	t.Helper()
	must(t, a.order(Order{Replica: core.ReplicatePrim, Data: generation(1)}))
	must(t, b.order(Order{Replica: core.ReplicateSecond}))
	a.isCopied(generation(1))
	b.isCopied(generation(1))
	a.mu.Lock()
	a.shared = true
	a.mu.Unlock()
}

// degrades waits until the primary says that replication does not work, and lets it go on
// as the state machine does.
func (n *node) degrades(g uint64) {
	n.t.Helper()
	n.until("failed replication", func() bool { return n.told(core.ReplicaDegraded) })
	n.forget()
	n.mu.Lock()
	n.shared = false
	n.mu.Unlock()
	n.r.Alone(generation(g))
}

// The secondary's disk is full: the primary goes on as soon as the secondary has recorded
// that it is behind, and the secondary comes back by
// itself when there is room. Its disk is a file system that is mounted behind the folder.
func TestFullDiskOfTheSecondary(t *testing.T) {
	a, b := mirroring(t, nil)
	onItsOwnDisk(t, b, 48)
	join(t, a, b)
	written := make(chan error, 1)
	go func() {
		written <- exec.Command("dd", "if=/dev/urandom", "of="+a.dirs[0]+"/big", "bs=1M", "count=60", "conv=fsync", "status=none").Run()
	}()
	must(t, <-written)
	full := func() bool { return strings.Contains(a.r.Status().Why, "f 0_behind/data/big: no space left on device") }
	a.eventually("reason in the status", full)
	a.run(0, "rm big; echo small >small")
	a.isCopied(generation(1))
	b.isCopied(generation(1))
	settled(t, a)
	same(t, a, b)
}

// The secondary stands still, and its connection with it: the primary notices in time, goes
// on alone, and both are the same again when it moves on.
func TestStalledSecondary(t *testing.T) {
	a, b := mirroring(t, func(o *Options) { o.Patience = time.Second })
	join(t, a, b)
	b.via.still.Lock()
	a.via.still.Lock()
	begin, late := time.Now(), lateness()
	written := make(chan error, 1)
	go func() {
		written <- exec.Command("dd", "if=/dev/zero", "of="+a.dirs[0]+"/f", "bs=4k", "count=1", "conv=fsync", "status=none").Run()
	}()
	a.degrades(2)
	must(t, <-written)
	if took := time.Since(begin) - late(); took > 6*time.Second {
		t.Errorf("a write took %s", took)
	}
	b.via.still.Unlock()
	a.via.still.Unlock()
	b.isCopied(generation(2))
	settled(t, a)
	same(t, a, b)
}

// lateness measures, until it is called, how long this process was kept from what it wanted
// to do: what a busy machine adds to all that is measured meanwhile.
func lateness() func() time.Duration {
	const beat = 10 * time.Millisecond
	stop, sum := make(chan struct{}), make(chan time.Duration)
	go func() {
		late, last := time.Duration(0), time.Now()
		for {
			select {
			case <-stop:
				sum <- late
				return
			case <-time.After(beat):
			}
			now := time.Now()
			late, last = late+max(0, now.Sub(last)-2*beat), now
		}
	}()
	return func() time.Duration { close(stop); return <-sum }
}

// A short loss of the connection passes without anybody else being told to act.
func TestShortLoss(t *testing.T) {
	a, b := mirroring(t, nil)
	join(t, a, b)
	b.via.set(true)
	b.via.set(false)
	a.run(0, "echo x >f; sync f")
	a.isCopied(generation(1))
	b.isCopied(generation(1))
	settled(t, a)
	same(t, a, b)
	if a.told(core.ReplicaDegraded) {
		t.Error("replication counted as failed")
	}
}

// An application that is stopped while the secondary is lost does not hang.
func TestStopWhileHeld(t *testing.T) {
	a, b := mirroring(t, func(o *Options) { o.Hold = time.Hour })
	join(t, a, b)
	b.via.set(true)
	a.until("loss", func() bool { return a.told(core.ReplicaLost) })
	written := make(chan error, 1)
	go func() {
		written <- exec.Command("dd", "if=/dev/zero", "of="+a.dirs[0]+"/f", "bs=4k", "count=1", "status=none").Run()
	}()
	select {
	case err := <-written:
		t.Fatalf("written although the secondary may be promoted: %v", err)
	case <-time.After(300 * time.Millisecond):
	}
	a.r.Leave()
	if err := <-written; err == nil {
		t.Error("a write that nobody has was answered as done")
	}
	must(t, a.order(Order{Replica: core.ReplicateStop}))
}

// One of two networks dies, and no TCP connection notices: the secondary changes to the other,
// long before it would be taken for dead itself.
func TestChangeOfNetwork(t *testing.T) {
	var a, b *node
	var second *cable
	var dead atomic.Bool
	a, b = mirroring(t, func(o *Options) {
		o.Patience, o.Hold = time.Hour, time.Hour
		if o.Self == 2 {
			one := o.Addresses
			o.Addresses = func() []netip.AddrPort {
				return append(one(), netip.MustParseAddrPort(second.l.Addr().String()))
			}
			o.Alive = func(to netip.AddrPort) bool { return to != one()[0] || !dead.Load() }
		}
	})
	second = newCable(t, a.port.Address().String())
	join(t, a, b)
	b.via.still.Lock()
	defer b.via.still.Unlock()
	written := make(chan error, 1)
	go func() {
		written <- exec.Command("dd", "if=/dev/zero", "of="+a.dirs[0]+"/f", "bs=4k", "count=1", "conv=fsync", "status=none").Run()
	}()
	dead.Store(true)
	b.via.mu.Lock()
	b.via.cut = true // nothing new through the dead one
	b.via.mu.Unlock()
	must(t, <-written)
	a.isCopied(generation(1))
	b.isCopied(generation(1))
	settled(t, a)
	same(t, a, b)
}

// A resynchronisation that is interrupted goes on where it was: what was copied is not
// copied again.
func TestInterruptedResync(t *testing.T) {
	a, b := mirroring(t, func(o *Options) { o.Limit = 20 << 20 })
	must(t, a.order(Order{Replica: core.ReplicatePrim, Data: generation(1)}))
	a.run(0, "head -c 40M /dev/urandom >f")
	must(t, b.order(Order{Replica: core.ReplicateSecond}))
	a.eventually("part of the copy", func() bool {
		x := a.r.Status().Resync
		return x != nil && x.Sent > 12<<20
	})
	if left := a.r.Status().Resync.Left; left <= 0 {
		t.Errorf("%s left", left)
	}
	b.via.set(true)
	a.eventually("loss", func() bool { return !a.r.Status().Connected })
	reconfigure(func(o *Options) { o.Limit = 0 }, a, b)
	b.via.set(false)
	a.isCopied(generation(1))
	b.isCopied(generation(1))
	if f := a.r.Status().Resync; f.Sent > 32<<20 {
		t.Errorf("%d bytes were sent after 12 MiB had been", f.Sent)
	}
	if saved, err := filepath.Glob(b.dirs[0] + "_behind/saved/*"); err != nil || len(saved) > 0 {
		t.Errorf("what came from the primary was set aside: %q, %v", saved, err)
	}
	settled(t, a)
	same(t, a, b)
}

// However often replication fails, it is told once that it would work again.
func TestRepairIsToldOnce(t *testing.T) {
	a, b := newPair(t, 1)
	must(t, a.order(Order{Replica: core.ReplicatePrim, Data: generation(1)}))
	must(t, Place{b.dirs[0], "_behind"}.Prepare())
	s := a.r.serves()
	s.degrade()
	s.degrade()
	a.until("repair", func() bool { return a.told(core.ReplicaRepaired) })
	must(t, a.order(Order{Replica: core.ReplicateStop})) // it waits for all that looks
	a.mu.Lock()
	defer a.mu.Unlock()
	times := 0
	for _, news := range a.news {
		if news == string(core.ReplicaRepaired) {
			times++
		}
	}
	if times != 1 {
		t.Errorf("it was told %d times", times)
	}
}
