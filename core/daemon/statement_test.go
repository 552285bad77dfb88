package daemon

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/orchestrator-ha/orchestrator/core"
	"github.com/orchestrator-ha/orchestrator/core/heartbeat"
)

// A statement comes back as it was, and even the longest fits a note.
func TestStatement(t *testing.T) {
	big := core.Generation{Number: 1<<64 - 1, Node: 64, Life: 1<<63 + 12345}
	s := core.PeerState{
		Node: 64, Life: 1<<64 - 1, Seq: 1<<64 - 1, HeardLife: 1<<64 - 1, HeardSeq: 1<<64 - 1, State: core.Second, Phase: core.Transient,
		Data:    core.Data{Generation: big, Standing: core.StandingOutdated, Prim: true, Top: 1<<64 - 1},
		Leaving: true, Choosing: true, Claim: true, Wish: core.VerbSecondForce, Yield: true, Ask: true, Copied: big, Degraded: true, Lapsed: true, Took: true,
		Failover: "off", FailoverAt: 1<<64 - 1,
	}
	for i := range s.Data.Ancestors {
		big.Number -= uint64(i) * 0x1234567
		big.Life -= uint64(i) * 0x7654321
		s.Data.Ancestors[i] = big
	}
	b, err := packStatement(s)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%d bytes", len(b))
	if len(b) > heartbeat.MaxNote {
		t.Errorf("it has %d bytes and does not fit a note", len(b))
	}
	back, err := unpackStatement(b)
	if err != nil || back != s {
		t.Errorf("%v: %+v came back as %+v", err, s, back)
	}
	for _, bad := range [][]byte{nil, {1, 2, 3}, b[:len(b)/2]} {
		if _, err := unpackStatement(bad); err == nil {
			t.Errorf("%x is taken for a statement", bad)
		}
	}
}

func TestReplaceDurably(t *testing.T) {
	path := filepath.Join(t.TempDir(), "kept.json")
	for _, text := range []string{"one", "a longer one", ""} {
		if err := replaceDurably(path, []byte(text)); err != nil {
			t.Fatal(err)
		}
		if got, err := os.ReadFile(path); err != nil || string(got) != text {
			t.Errorf("%q is %q: %v", text, got, err)
		}
	}
	if left, _ := filepath.Glob(filepath.Dir(path) + "/*"); len(left) != 1 {
		t.Errorf("there are %v", left)
	}
}
