package daemon

import (
	"errors"
	"fmt"
	"maps"
	"testing"

	"github.com/orchestrator-ha/orchestrator/core"
)

// A node tells the other one of the resources that the rules look at, when they change,
// and sees its own while that one is heard and not stopped.
func TestRemotes(t *testing.T) {
	var told [][]byte
	var failed error
	r := &remotes{
		classes: []string{"custom", "tcp"},
		tell:    func(b []byte) error { told = append(told, b); return nil },
		heard:   func() ([]byte, bool) { return told[len(told)-1], true },
		fail:    func(err error) { failed = err },
	}
	in := core.Instance{Resources: map[string]core.Resource{
		"tcp.web": {Value: core.ResDown}, "custom.a": {Value: core.ResUp}, "ping.router": {Value: core.ResUp},
	}}
	in.Pair.Link, in.Pair.Peer.State = core.LinkHeard, core.Prim
	r.publish(in)
	r.publish(in)
	if len(told) != 1 {
		t.Fatalf("told %d times", len(told))
	}
	want := map[string]core.Value{"tcp.web": core.ResDown, "custom.a": core.ResUp}
	if got := r.view(in); !maps.Equal(got, want) {
		t.Errorf("the other node sees %v", got)
	}
	in.Pair.Peer.State = core.Stop
	if got := r.view(in); got != nil {
		t.Errorf("of a stopped node it sees %v", got)
	}
	in.Pair.Link, in.Pair.Peer.State = core.LinkLost, core.Prim
	if got := r.view(in); got != nil {
		t.Errorf("of a lost node it sees %v", got)
	}
	for i := range 500 {
		in.Resources[fmt.Sprintf("custom.%x", i*i*7919)] = core.Resource{Value: core.ResUp}
	}
	if r.publish(in); !errors.Is(failed, errTooMany) || len(told) != 1 {
		t.Errorf("too many resources: %v, told %d times", failed, len(told))
	}
	var none *remotes
	none.publish(in)
	if none.view(in) != nil {
		t.Error("rules that look at nothing see something")
	}
}
