package replication

import (
	"context"
	"errors"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/orchestrator-ha/orchestrator/core"
)

// Verify finds what was changed behind the mirror's back, and nothing else, while programs
// write.
func TestVerify(t *testing.T) {
	a, b := newPair(t, 1)
	if _, err := a.r.Verify(t.Context()); err == nil {
		t.Error("compared by who is not primary")
	}
	must(t, a.order(Order{Replica: core.ReplicatePrim, Data: generation(1)}))
	if _, err := a.r.Verify(t.Context()); err == nil {
		t.Error("compared with nobody")
	}
	a.run(0, fill)
	must(t, b.order(Order{Replica: core.ReplicateSecond}))
	a.isCopied(generation(1))
	c := &cluster{t: t, nodes: [2]*node{a, b}, acked: map[string]uint64{}}
	stop := make(chan struct{})
	var clients sync.WaitGroup
	for w := range 2 {
		clients.Go(func() { c.write(stop, "count") })
		clients.Go(func() { c.noise(stop, w) })
	}
	finish := sync.OnceFunc(func() { close(stop); clients.Wait() })
	defer finish()
	for range 3 {
		v, err := a.r.Verify(t.Context())
		if err != nil || !v.Complete || v.Different > 0 || v.Bytes < 50<<20 {
			t.Fatalf("%+v, %v", v, err)
		}
	}
	data := b.dirs[0] + "_behind/data/"
	f, err := os.OpenFile(data+"big", os.O_RDWR, 0)
	must(t, err)
	_, err = f.WriteAt([]byte{1, 2, 3}, 1<<20+5)
	must(t, err)
	must(t, f.Close())
	must(t, os.Remove(data+"link"))
	must(t, os.Chmod(data+"sp ace", 0o700))
	must(t, os.WriteFile(data+"more", nil, 0o600))
	v, err := a.r.Verify(t.Context())
	must(t, err)
	var found []string
	for _, d := range v.Differences {
		found = append(found, strings.TrimPrefix(d.Path, a.dirs[0]+"/")+" "+d.What)
	}
	for _, want := range []string{"big holds other data at byte 1048576", "link is on the primary only", "sp ace has other attributes on the secondary", "more is on the secondary only"} {
		if !strings.Contains(strings.Join(found, "\n"), want) {
			t.Errorf("not found: %s", want)
		}
	}
	if v.Different != 5 { // big has two names
		t.Errorf("%d differences: %q", v.Different, found)
	}
	finish()
	must(t, b.order(Order{Replica: core.ReplicateStop}))
	a.forget()
	b.forget()
	must(t, b.order(Order{Replica: core.ReplicateSecond, Full: true}))
	a.isCopied(generation(1))
	b.isCopied(generation(1))
	settled(t, a)
	same(t, a, b)
	if kept := a.r.LastVerification(); kept == nil || kept.Different != v.Different {
		t.Errorf("kept: %+v", kept)
	}
}

// The status tells how far a comparison is, and that it was broken off.
func TestVerifyIsSeen(t *testing.T) {
	a, b := mirroring(t, func(o *Options) { o.Limit = 1 << 20 })
	join(t, a, b)
	a.run(0, "head -c 100M /dev/zero >f; head -c 100M /dev/urandom >g; touch h")
	settled(t, a)
	ctx, cancel := context.WithCancel(t.Context())
	outcome := make(chan Verification)
	go func() {
		v, _ := a.r.Verify(ctx)
		outcome <- v
	}()
	a.eventually("progress", func() bool {
		x := a.r.Status().Verifying
		return x != nil && x.Known == 3 && x.Total == 200<<20 && x.Done > 0 && x.Done < x.Total && x.Left > 0
	})
	cancel()
	if v := <-outcome; v.Complete || v.Error == "" {
		t.Errorf("broken off: %+v", v)
	}
	if st := a.r.Status(); st.Verifying != nil || st.Verified == nil || st.Verified.Complete {
		t.Errorf("%+v, %+v", st.Verifying, st.Verified)
	}
}

// The estimate of what the return of the secondary takes is what is recorded for it, and the
// time is that of the last one, or what the limit allows.
func TestEstimate(t *testing.T) {
	a, b := newPair(t, 1)
	if _, err := a.r.Estimate(); err == nil {
		t.Error("estimated by who is not primary")
	}
	must(t, a.order(Order{Replica: core.ReplicatePrim, Data: generation(1)}))
	a.run(0, `head -c 20M /dev/urandom >f; head -c 20M /dev/urandom >same`)
	must(t, b.order(Order{Replica: core.ReplicateSecond}))
	a.isCopied(generation(1))
	settled(t, a)
	must(t, b.order(Order{Replica: core.ReplicateStop}))
	a.goesAlone(2)
	a.run(0, `for at in 1 5 9; do printf x | dd of=f bs=1M seek=$at conv=notrunc status=none; done; head -c 5000 /dev/zero >new; sync f new`)
	e, err := a.r.Estimate()
	must(t, err)
	if e.Everything || e.Files != 3 || e.Bytes != 3<<20+5000 { // the folder, f and new
		t.Errorf("%+v", e)
	}
	reconfigure(func(o *Options) { o.Limit = 64 << 10 }, a)
	a.eventually("limit", func() bool { return a.r.now().Limit > 0 })
	if e, err = a.r.Estimate(); err != nil || e.Took != 48*time.Second {
		t.Errorf("at 64 KiB a second: %+v, %v", e, err)
	}
	if took := (Estimate{Files: 1_000_000}).took(32<<20, 0); took != 977*time.Second { // as long as 30 GB
		t.Errorf("a million empty files take %s", took)
	}
}

// Questions that come when the service has just ended are answered so.
func TestQuestionsAfterTheEnd(t *testing.T) {
	a, _ := newPair(t, 1)
	must(t, a.order(Order{Replica: core.ReplicatePrim, Data: generation(1)}))
	s := a.r.serves()
	if _, err := s.estimate(); err != nil {
		t.Error(err)
	}
	must(t, a.order(Order{Replica: core.ReplicateStop}))
	if _, err := s.estimate(); !errors.Is(err, ErrNotPrimary) {
		t.Errorf("the estimate's error is %v", err)
	}
	if _, ok := s.use(); ok {
		t.Error("it can still be used")
	}
}
