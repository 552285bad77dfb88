package replication

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/orchestrator-ha/orchestrator/core"
	"github.com/orchestrator-ha/orchestrator/core/mirror/fs"
)

// fill makes files of every kind.
const fill = `
	mkdir -p sub/deep "sp ace"; echo hello >"sp ace/f"; head -c 3000000 /dev/urandom >big; ln big sub/big2
	ln -s nowhere link; mkfifo -m 640 pipe; mknod dev c 1 3
	truncate -s 50M holes; printf x | dd of=holes bs=1 seek=20000000 conv=notrunc status=none
	setfattr -n user.a -v 1 big; chmod 2750 sub; chown 7:8 sub/deep; touch -d 2001-02-03 "sp ace/f"
	mkdir acl; setfacl -d -m u:7:rwx acl 2>/dev/null || true; echo x >acl/f
	for i in $(seq 120); do echo $i >sub/deep/$i; done`

// A new secondary gets all, follows, and gets what was changed without it.
func TestFillFollowReturn(t *testing.T) {
	a, b := newPair(t, 2)
	must(t, a.order(Order{Replica: core.ReplicatePrim, Data: generation(1)}))
	a.run(0, fill)
	a.run(1, `echo other >f`)
	must(t, b.order(Order{Replica: core.ReplicateSecond}))
	a.isCopied(generation(1))
	b.isCopied(generation(1))
	same(t, a, b)

	a.run(0, `echo more >>"sp ace/f"; rm sub/big2; mv sub/deep/1 sub/one; dd if=/dev/urandom of=big bs=4k count=1 seek=100 conv=notrunc,fsync status=none`)
	a.run(1, `mkdir d; echo x >d/x`)
	settled(t, a)
	same(t, a, b)
}

// A secondary that was away gets what changed, and little more.
func TestReturn(t *testing.T) {
	a, b := newPair(t, 1)
	must(t, a.order(Order{Replica: core.ReplicatePrim, Data: generation(1)}))
	a.run(0, fill+`; head -c 30000000 /dev/urandom >large; for i in $(seq 20); do head -c 300000 /dev/urandom >r$i; done; sync .`)
	must(t, b.order(Order{Replica: core.ReplicateSecond}))
	a.isCopied(generation(1))
	b.isCopied(generation(1))
	must(t, b.order(Order{Replica: core.ReplicateStop}))
	a.goesAlone(2)
	a.run(0, `for i in $(seq 100); do dd if=/dev/urandom of=large bs=4k count=1 seek=$((i*70)) conv=notrunc status=none; done
		mv sub moved; rm r1 "sp ace/f"; ln r2 r2.link; mv r3 r4; chmod 600 r5; echo x >>r6; truncate -s 1000 r7
		mkfifo q; rm link; ln -s elsewhere link; setfattr -x user.a big; mkdir -p new/er; cp -a r8 new/er; fallocate -p -o 4096 -l 100000 r9
		mv r10 tmp; mv r11 r10; mv tmp r11`)
	must(t, b.order(Order{Replica: core.ReplicateSecond}))
	a.isCopied(generation(2))
	b.isCopied(generation(2))
	same(t, a, b)
	f := a.r.serves().copying.progress.Figures()
	t.Logf("%+v", f)
	// 100 pages, the renamed big files and what was copied or appended.
	if changed := int64(100*4096 + 300000*5 + 3000000); f.Sent > changed*12/10 {
		t.Errorf("%d bytes were sent, and about %d had changed", f.Sent, changed)
	}
}

// goesAlone is what the cluster says when the other node is gone.
func (n *node) goesAlone(g uint64) {
	n.t.Helper()
	n.until("loss", func() bool { return n.news[len(n.news)-1] == string(core.ReplicaLost) })
	n.forget()
	n.mu.Lock()
	n.shared = false
	n.mu.Unlock()
	n.r.Alone(generation(g))
}

// The secondary takes over from a primary that is cut off; what only the loser has is set
// aside, and it becomes the same.
func TestTakeoverAndReturn(t *testing.T) {
	a, b := newPair(t, 1)
	must(t, a.order(Order{Replica: core.ReplicatePrim, Data: generation(1)}))
	a.run(0, fill)
	must(t, b.order(Order{Replica: core.ReplicateSecond}))
	a.isCopied(generation(1))
	b.isCopied(generation(1))
	b.via.set(true)
	must(t, b.order(Order{Replica: core.ReplicatePrim, Data: generation(2)}))
	a.goesAlone(3) // a split
	a.run(0, `echo mine >only-a; echo mine >"sp ace/f"; rm link; sync .`)
	b.run(0, `echo theirs >only-b; echo theirs >>"sp ace/f"; mv sub bus; sync .`)
	must(t, a.order(Order{Replica: core.ReplicateStop}))
	must(t, a.order(Order{Replica: core.ReplicateSecond}))
	b.isCopied(generation(2))
	a.isCopied(generation(2))
	same(t, b, a)
	saved, err := filepath.Glob(a.dirs[0] + "_behind/saved/*/only-a")
	must(t, err)
	if len(saved) != 1 {
		t.Fatalf("what only the loser had is in %v", saved)
	}
	for name, want := range map[string]string{"only-a": "mine\n", "sp ace/f": "mine\n"} {
		if b, err := os.ReadFile(filepath.Join(filepath.Dir(saved[0]), name)); err != nil || string(b) != want {
			t.Errorf("%s was set aside as %q: %v", name, b, err)
		}
	}
	report, err := os.ReadFile(filepath.Dir(saved[0]) + ".report.txt")
	must(t, err)
	for _, line := range []string{"removed\t\"only-a\"\n", "overwritten\t\"sp ace/f\"\n"} {
		if !strings.Contains(string(report), line) {
			t.Errorf("the report lacks %q:\n%s", line, report)
		}
	}
	if strings.Contains(string(report), "holes") {
		t.Errorf("what both have was set aside, too:\n%s", report)
	}
}

// The kernel remembers names that are never looked up again: what is written by the
// second of two, after the first is gone and in another session, gets to the secondary.
func TestSecondNameAfterTheFirst(t *testing.T) {
	a, b := newPair(t, 1)
	must(t, a.order(Order{Replica: core.ReplicatePrim, Data: generation(1)}))
	a.run(0, `echo x >one; ln one two; echo x >from; ln from other; mv other third; ln from fourth; rm one`)
	must(t, b.order(Order{Replica: core.ReplicateSecond}))
	b.isCopied(generation(1))
	a.run(0, `echo y >>two; rm from; echo y >>third`)
	settled(t, a)
	same(t, a, b)
	a.forget()
	b.forget()
	b.via.set(true) // while it is away, too
	b.via.set(false)
	a.run(0, `rm third; echo z >>fourth; echo z >>two`)
	b.isCopied(generation(1))
	a.isCopied(generation(1))
	settled(t, a)
	same(t, a, b)
}

// Hard links that were made, moved and broken while the secondary was away are as they are
// here, and no file gets what belongs to another.
func TestHardLinks(t *testing.T) {
	for _, part := range []int{2, 1000} { // with directories that are taken in parts, and without
		t.Run(fmt.Sprint(part), func(t *testing.T) { hardLinks(t, part) })
	}
}

func hardLinks(t *testing.T, part int) {
	a, b := mirroring(t, func(o *Options) { o.PartSize = part })
	must(t, a.order(Order{Replica: core.ReplicatePrim, Data: generation(1)}))
	a.run(0, `mkdir d0 d2 d3 d9 e0 e2
		echo A >d0/f5; ln d0/f5 d2/f1; echo B >d9/f5   # a directory takes the place of another
		echo C >e0/f5; ln e0/f5 e2/f1; echo D >d3/z; ln d3/z d3/y   # a name takes the place of a linked one
		echo E >e2/one; echo F >e2/two`)
	must(t, b.order(Order{Replica: core.ReplicateSecond}))
	a.isCopied(generation(1))
	b.isCopied(generation(1))
	must(t, b.order(Order{Replica: core.ReplicateStop}))
	a.goesAlone(2)
	a.run(0, `rm -r d9; mv d0 d9; mv d3/z e0/f5; ln -f e2/one e2/two; echo more >>e2/two`)
	must(t, b.order(Order{Replica: core.ReplicateSecond}))
	a.isCopied(generation(2))
	b.isCopied(generation(2))
	same(t, a, b)
	a.run(0, `echo x >>d2/f1; echo y >>e0/f5; echo z >>e2/one`)
	settled(t, a)
	same(t, a, b)
}

// On the secondary the folder can be read and not written to, also where a daemon that was
// killed has left that; when it takes over, and when it stops, nothing of that is in the way.
func TestSecondaryCanBeRead(t *testing.T) {
	a, b := newPair(t, 1)
	join(t, a, b)
	a.run(0, "echo new >f; sync f")
	settled(t, a)
	seen := b.dirs[0] + "/f"
	if text, err := os.ReadFile(seen); err != nil || string(text) != "new\n" {
		t.Errorf("read on the secondary: %q, %v", text, err)
	}
	open, err := os.Open(seen)
	must(t, err)
	defer open.Close()
	for what, err := range map[string]error{
		"write": os.WriteFile(seen, nil, 0o644), "remove": os.Remove(seen), "create": os.WriteFile(b.dirs[0]+"/g", nil, 0o644), "change": os.Chmod(seen, 0o600),
	} {
		if !errors.Is(err, unix.EROFS) {
			t.Errorf("%s on the secondary: %v", what, err)
		}
	}
	must(t, b.order(Order{Replica: core.ReplicateStop}))
	if left, err := os.ReadDir(b.dirs[0]); err != nil || len(left) > 0 {
		t.Errorf("in the folder of a stopped node: %v, %v", left, err)
	}
	must(t, fs.Show(b.dirs[0], b.dirs[0]+"_behind/data")) // as a killed daemon has left it
	must(t, a.order(Order{Replica: core.ReplicateStop}))
	must(t, b.order(Order{Replica: core.ReplicatePrim, Data: generation(2)}))
	b.run(0, "echo mine >f; sync f")
	must(t, b.order(Order{Replica: core.ReplicateStop}))
	must(t, os.WriteFile(b.dirs[0]+"/in the way", nil, 0o644))
	must(t, b.order(Order{Replica: core.ReplicateSecond}))
	b.mu.Lock()
	defer b.mu.Unlock()
	if told := strings.Join(b.notes, "\n"); !strings.Contains(told, "cannot be read") || !strings.Contains(told, "is not empty (in the way and more)") {
		t.Errorf("told: %s", told)
	}
}
