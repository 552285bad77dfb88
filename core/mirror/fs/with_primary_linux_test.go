package fs

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/orchestrator-ha/orchestrator/core/mirror"
	"github.com/orchestrator-ha/orchestrator/core/mirror/primary"
	"github.com/orchestrator-ha/orchestrator/core/mirror/replica"
	"github.com/orchestrator-ha/orchestrator/core/mirror/stream"
	"github.com/orchestrator-ha/orchestrator/core/mirror/zones"
)

// What joins the parts on a primary is what this package needs.
var _ Recorder = (*primary.Recorder)(nil)

const zoneSize = 64 << 10

// serving is a mount with all that belongs to a primary, and a secondary for one session.
type serving struct {
	t       *testing.T
	a, b, m string
	log     *zones.Log
	rec     *primary.Recorder
	mount   *Mount
	sender  *stream.Sender
}

func newServing(t *testing.T) *serving {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("mounts need root")
	}
	dir, err := filepath.EvalSymlinks(t.TempDir())
	must(t, err)
	s := &serving{t: t, a: dir + "/a", b: dir + "/b", m: dir + "/m"}
	for _, d := range []string{s.a, s.b, s.m, dir + "/log"} {
		must(t, os.Mkdir(d, 0o755))
	}
	s.log, err = zones.Open(zones.Directory(dir+"/log"), zones.Options{ZoneSize: zoneSize})
	must(t, err)
	say := func(sender *stream.Sender, w mirror.Word) error {
		b, _ := json.Marshal(w)
		_, err := sender.Send(stream.Op{Kind: stream.Word, Data: b})
		return err
	}
	s.rec = primary.New(mirror.Generations{Current: 1}.Promoted(2), primary.Options{
		Mode: stream.ModeFsync, Zones: s.log, Say: say,
		Store:   func(g mirror.Generations) error { return g.Check() },
		Sync:    func() error { return nil },
		Between: func(change func()) { s.mount.Between(change) },
		Copy: func(mirror.Extent) { // both are empty
			go func() {
				if s.rec.Carry(s.sender, func() error { return nil }) == nil {
					s.rec.Copied(s.sender)
				}
			}()
		},
		Decline: func(d mirror.Decision) { t.Error(d) },
	})
	s.mount, err = Start(Options{Dir: s.m, Backing: s.a}, s.rec)
	must(t, err)
	t.Cleanup(func() { must(t, s.mount.Stop()) })
	return s
}

// connect joins an empty secondary.
func (s *serving) connect() {
	s.t.Helper()
	c, err := replica.Open(s.b)
	must(s.t, err)
	near, far := net.Pipe()
	second := mirror.NewSecondary(mirror.Generations{Current: 1})
	ended, made := make(chan struct{}), make(chan struct{})
	var r *stream.Receiver
	hear := func(b []byte) {
		var w mirror.Word
		must(s.t, json.Unmarshal(b, &w))
		for events := []mirror.Event{mirror.Heard{Word: w}}; len(events) > 0; events = events[1:] {
			for _, e := range second.Step(events[0]) {
				switch e := e.(type) {
				case mirror.Store:
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
	go func() {
		defer close(ended)
		defer c.Close()
		var err error
		r, err = stream.NewReceiver(far, c, stream.Options{Word: hear})
		close(made)
		if err == nil {
			err = r.Run()
		}
		if err != nil {
			s.t.Log(err)
		}
	}()
	words := make(chan mirror.Word, 10)
	s.sender, err = stream.NewSender(near, stream.Options{Word: func(b []byte) {
		var w mirror.Word
		_ = json.Unmarshal(b, &w)
		words <- w
	}})
	must(s.t, err)
	<-made
	go func() {
		for {
			select {
			case w := <-words:
				s.rec.Hear(s.sender, w)
			case <-s.sender.Done():
				return
			}
		}
	}()
	s.rec.Connect(s.sender, second.Generations())
	s.until(mirror.Mirroring)
	s.t.Cleanup(func() { s.sender.Close(); <-ended })
}

func (s *serving) until(want mirror.State) {
	s.t.Helper()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for begin := time.Now(); s.rec.State() != want; <-tick.C {
		if time.Since(begin) > 20*time.Second {
			s.t.Fatalf("the primary is %s, not %s", s.rec.State(), want)
		}
	}
}

// covered fails unless all in which the trees differ is recorded.
func (s *serving) covered(dir string) {
	s.t.Helper()
	r := s.log.Recorded()
	recorded := func(inode uint64, index uint32) bool {
		z := zones.Zone{Inode: inode, Index: index}
		return slices.Contains(r.Dirty, z) || slices.Contains(r.Active, z)
	}
	var at unix.Stat_t
	must(s.t, unix.Stat(s.a+dir, &at))
	if recorded(at.Ino, zones.Names) {
		return // all in it is to be compared
	}
	here, err := os.ReadDir(s.a + dir)
	must(s.t, err)
	there, err := os.ReadDir(s.b + dir)
	must(s.t, err)
	if fmt.Sprint(here) != fmt.Sprint(there) {
		s.t.Errorf("%s/ is not recorded, and holds\n%v here\n%v there", dir, here, there)
		return
	}
	for _, e := range here {
		name := dir + "/" + e.Name()
		if e.IsDir() {
			s.covered(name)
			continue
		}
		var a, b unix.Stat_t
		must(s.t, unix.Lstat(s.a+name, &a))
		must(s.t, unix.Lstat(s.b+name, &b))
		if (a.Mode != b.Mode || a.Mtim != b.Mtim) && !recorded(a.Ino, zones.Names) {
			s.t.Errorf("%s: attributes differ and are not recorded: %+v, %+v", name, a, b)
		}
		one, err := os.ReadFile(s.a + name)
		must(s.t, err)
		two, err := os.ReadFile(s.b + name)
		must(s.t, err)
		for z := 0; z*zoneSize < max(len(one), len(two)); z++ {
			part := func(x []byte) string { return string(x[min(z*zoneSize, len(x)):min((z+1)*zoneSize, len(x))]) }
			if part(one) != part(two) && !recorded(a.Ino, uint32(z)) && !recorded(a.Ino, zones.Whole) {
				s.t.Errorf("%s: zone %d differs and is not recorded", name, z)
			}
		}
	}
}

// The connection breaks under programs that go on alone: all in which the copies differ
// then is recorded.
func TestWhatDiffersIsRecorded(t *testing.T) {
	const seed = 3
	rng := rand.New(rand.NewPCG(seed, seed))
	for range 3 {
		s := newServing(t)
		s.connect()
		must(t, exec.Command("bash", "-ec", `cd "$1"; for d in $(seq 60); do mkdir d$d; for f in $(seq 4); do head -c 150000 /dev/urandom >d$d/f$f; done; done; sync .`, "bash", s.m).Run())
		s.log.End(s.log.Begin()) // all that is durable on both sides
		work := exec.Command("bash", "-ec", `cd "$1"
			for i in $(seq 60); do d=d$i
				case $((i%6)) in
				0) mv $d/f2 d$((i-1))/f3;;
				1) chmod 6$((i%8))4 $d/f4;;
				2) truncate -s $((i*2000)) $d/f4;;
				3) ln $d/f1 $d/g;;
				4) dd if=/dev/urandom of=$d/f1 bs=5000 count=1 seek=13 conv=notrunc,fdatasync status=none;;
				5) setfattr -n user.i -v $i $d/f4; fallocate -p -o 4096 -l 100000 $d/f3;;
				esac
			done`, "bash", s.m)
		must(t, work.Start())
		pause := time.NewTimer(time.Duration(rng.IntN(250)) * time.Millisecond)
		<-pause.C
		s.sender.Close()
		s.until(mirror.Suspended)
		s.rec.Choose(mirror.Generation(9))
		s.until(mirror.Alone)
		must(t, work.Wait())
		s.covered("")
		if t.Failed() {
			t.Fatalf("seed %d", seed)
		}
	}
}
