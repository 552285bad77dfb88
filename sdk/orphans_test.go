package sdk

import (
	"context"
	"slices"
	"sync"
	"testing"

	pluginpb "github.com/orchestrator-ha/orchestrator/sdk/proto"
)

// stopsNoted notes what it is told to stop.
type stopsNoted struct {
	mu    sync.Mutex
	stops []AppRequest
}

func (*stopsNoted) Describe() Description                     { return Description{} }
func (*stopsNoted) Start(context.Context, AppRequest) error   { return nil }
func (*stopsNoted) Status(context.Context, AppRequest) Result { return Result{} }
func (a *stopsNoted) Stop(_ context.Context, r AppRequest) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.stops = append(a.stops, r)
	return nil
}

// When the host is gone, what is bound to it and was not stopped is stopped by force; the
// rest goes on.
func TestOrphans(t *testing.T) {
	a := &stopsNoted{}
	s := &applicationServer{apps: named[Application]{"noted": a}}
	for _, r := range []*pluginpb.ApplicationRequest{
		{Instance: "mirror/db", Settings: []byte(`{"x":1}`), Bound: true}, {Instance: "farm/web"}, {Instance: "mirror/old", Bound: true},
	} {
		r.Plugin = "noted"
		if _, err := s.Start(t.Context(), r); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := s.Stop(t.Context(), &pluginpb.ApplicationRequest{Plugin: "noted", Instance: "mirror/old"}); err != nil {
		t.Fatal(err)
	}
	a.stops = nil
	orphans.stop()
	clear(orphans.apps)
	is := func(r AppRequest) bool {
		return r.Instance == "mirror/db" && string(r.Settings) == `{"x":1}` && r.Force
	}
	if len(a.stops) != 1 || !slices.ContainsFunc(a.stops, is) {
		t.Errorf("%+v", a.stops)
	}
}
