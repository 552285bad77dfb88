package replication

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/orchestrator-ha/orchestrator/core"
	"github.com/orchestrator-ha/orchestrator/core/mirror/loopdisk"
)

// becomesReadOnly makes an ext4 find an error, after which its kernel writes nothing to it.
func becomesReadOnly(p *powered) {
	t := p.n.t
	t.Helper()
	must(t, exec.Command("mount", "-o", "remount,errors=remount-ro", p.behind).Run())
	device, err := exec.Command("findmnt", "-no", "SOURCE", p.behind).Output()
	must(t, err)
	must(t, os.WriteFile("/sys/fs/ext4/"+filepath.Base(strings.TrimSpace(string(device)))+"/trigger_fs_error", []byte("a test"), 0))
}

// synced writes a file and waits until that is on the disks.
func synced(n *node, name string) error {
	return exec.Command("dd", "if=/dev/urandom", "of="+n.dirs[0]+"/"+name, "bs=4k", "count=1", "conv=fsync", "status=none").Run()
}

// The secondary's disk is read-only, or fails every operation: the primary goes on alone
// after that was recorded, the status says why, and when the disk was repaired the secondary
// comes back.
func TestBrokenDiskOfTheSecondary(t *testing.T) {
	for what, breaks := range map[string]func(*powered){
		"read-only file system": becomesReadOnly,
		"input/output error":    (*powered).cut,
	} {
		t.Run(what, func(t *testing.T) {
			a, b := mirroring(t, nil)
			disk := onItsOwnDisk(t, b, 48)
			join(t, a, b)
			must(t, synced(a, "before"))
			breaks(disk)
			written := make(chan error, 1)
			go func() { written <- synced(a, "after") }()
			a.degrades(2)
			must(t, <-written)
			if why := a.r.Status().Why; !strings.Contains(why, what) {
				t.Errorf("the status says %q", why)
			}
			if err := b.r.writable(); err == nil || !strings.Contains(err.Error(), what) || !strings.Contains(err.Error(), disk.behind) {
				t.Errorf("asked whether replication would work: %v", err)
			}
			_ = b.order(Order{Replica: core.ReplicateStop}) // as the cluster wants, when the primary is degraded
			disk.restore()
			a.until("repair", func() bool { return a.told(core.ReplicaRepaired) })
			must(t, b.order(Order{Replica: core.ReplicateSecond}))
			a.isCopied(generation(2))
			b.isCopied(generation(2))
			settled(t, a)
			same(t, a, b)
		})
	}
}

// The secondary's disk stands still: the primary goes on without it, and the secondary comes
// back when it moves on.
func TestFrozenDiskOfTheSecondary(t *testing.T) {
	a, b := mirroring(t, func(o *Options) { o.Patience, o.SyncPatience = time.Second, time.Second })
	onItsOwnDisk(t, b, 48)
	join(t, a, b)
	behind := b.dirs[0] + "_behind"
	must(t, exec.Command("fsfreeze", "-f", behind).Run())
	thaw := func() { _ = exec.Command("fsfreeze", "-u", behind).Run() }
	defer thaw()
	written := make(chan error, 1)
	go func() { written <- synced(a, "f") }()
	a.degrades(2)
	must(t, <-written)
	thaw()
	a.isCopied(generation(2))
	b.isCopied(generation(2))
	settled(t, a)
	same(t, a, b)
}

// The primary's disk is full: the application is told, and both copies go on.
func TestFullDiskOfThePrimary(t *testing.T) {
	a, b := mirroring(t, nil)
	onItsOwnDisk(t, a, 48)
	join(t, a, b)
	out, err := exec.Command("dd", "if=/dev/urandom", "of="+a.dirs[0]+"/big", "bs=1M", "count=60", "conv=fsync", "status=none").CombinedOutput()
	if err == nil || !strings.Contains(string(out), "No space left on device") {
		t.Fatalf("%v %s", err, out)
	}
	settled(t, a)
	same(t, a, b)
	a.run(0, "rm big; echo small >small; sync small")
	settled(t, a)
	same(t, a, b)
	if a.told(core.ReplicaLost) || !mirrors(a) || a.broken != nil {
		t.Errorf("%v, %s", a.news, a.r.Status().State)
	}
}

// The primary's disk fails: that is told, so that the other node takes over, with all that
// was acknowledged.
func TestBrokenDiskOfThePrimary(t *testing.T) {
	a, b := mirroring(t, nil)
	disk := onItsOwnDisk(t, a, 48)
	join(t, a, b)
	must(t, synced(a, "kept"))
	disk.cut()
	if err := synced(a, "lost"); err == nil {
		t.Error("a write to a disk that fails was answered as done")
	}
	a.until("word of it", func() bool { return a.broken != nil })
	if err := a.broken.Error(); !strings.Contains(err, "input/output error") {
		t.Error(err)
	}
	_ = a.order(Order{Replica: core.ReplicateStop})
	must(t, b.order(Order{Replica: core.ReplicatePrim, Data: generation(2)}))
	if _, err := os.Stat(b.dirs[0] + "/kept"); err != nil {
		t.Error(err)
	}
	if err := a.order(Order{Replica: core.ReplicateSecond}); err == nil {
		t.Error("a node follows with a disk that fails")
	}
}

// After a split there is no room to set aside what only the loser has: nothing of it is
// overwritten until there is.
func TestNoRoomToSetAside(t *testing.T) {
	a, b := mirroring(t, nil)
	onItsOwnDisk(t, b, 128)
	filler := b.dirs[0] + "_behind/filler"
	must(t, a.order(Order{Replica: core.ReplicatePrim, Data: generation(1)}))
	a.run(0, `head -c 40M /dev/urandom >f`)
	must(t, b.order(Order{Replica: core.ReplicateSecond}))
	a.isCopied(generation(1))
	b.isCopied(generation(1))
	must(t, b.order(Order{Replica: core.ReplicateStop}))
	must(t, b.order(Order{Replica: core.ReplicatePrim, Data: generation(3)}))
	b.run(0, `printf mine | dd of=f bs=1 seek=1000 conv=notrunc,fsync status=none; echo mine >g; sync g`)
	must(t, b.order(Order{Replica: core.ReplicateStop}))
	a.goesAlone(2)
	a.run(0, `printf theirs | dd of=f bs=1 seek=9000 conv=notrunc,fsync status=none`)
	var st unix.Statfs_t
	must(t, unix.Statfs(filepath.Dir(filler), &st))
	must(t, exec.Command("fallocate", "-l", fmt.Sprint(int64(st.Bavail)*st.Bsize-8<<20), filler).Run())
	before, err := os.ReadFile(b.dirs[0] + "_behind/data/f")
	must(t, err)

	must(t, b.order(Order{Replica: core.ReplicateSecond}))
	a.eventually("reason in the status", func() bool {
		why := a.r.Status().Why
		return strings.Contains(why, "saved/") && strings.Contains(why, "Make room there") && strings.Contains(why, "no space left")
	})
	if now, err := os.ReadFile(b.dirs[0] + "_behind/data/f"); err != nil || string(now) != string(before) {
		t.Errorf("f was changed: %v", err)
	}
	must(t, os.Remove(filler))
	a.isCopied(generation(2))
	b.isCopied(generation(2))
	settled(t, a)
	same(t, a, b)
	saved, err := filepath.Glob(b.dirs[0] + "_behind/saved/*/f")
	if err != nil || len(saved) != 1 {
		t.Fatalf("%q, %v", saved, err)
	}
	if kept, err := os.ReadFile(saved[0]); err != nil || string(kept) != string(before) {
		t.Errorf("what was set aside is not what it was: %v", err)
	}
	if _, err := os.Stat(filepath.Dir(saved[0]) + "/g"); errors.Is(err, os.ErrNotExist) {
		t.Error("g was not set aside")
	}
}

// What is kept free for the record is used when the disk is full, and kept free again when
// there is room, also if somebody else was faster to take it.
func TestReserveIsMadeAgain(t *testing.T) {
	p := Place{loopdisk.New(t, 16<<20) + "/data", "_behind"}
	must(t, p.Prepare())
	reserve := p.behind() + "/reserve"
	for round := range 3 {
		must(t, p.keep(record{Serial: 1}))
		if st, err := os.Stat(reserve); err != nil || st.Size() != reserved {
			t.Fatalf("round %d: kept free are %v, %v", round, st, err)
		}
		fill, err := os.Create(p.Dir + "/fill")
		must(t, err)
		for _, block := range []int{64 << 10, 512} {
			for err = nil; err == nil; {
				_, err = fill.Write(make([]byte, block))
			}
		}
		must(t, fill.Close())
		must(t, p.keep(record{Serial: 2}))
		if round == 1 {
			must(t, os.Truncate(reserve, 0)) // as it is when there was no room for it
		}
		must(t, os.Remove(p.Dir+"/fill"))
	}
}
