package sdk_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/orchestrator-ha/orchestrator/sdk"
	"github.com/orchestrator-ha/orchestrator/sdk/sdktest"
)

// fakeFilter keeps what crossed the wire.
type fakeFilter struct {
	config  sdk.FilterConfig
	table   sdk.FilterTable
	renewed chan uint64
	refused chan struct{} // closed when a renewal was refused
	refuse  error
	removed string
}

func (*fakeFilter) Describe() sdk.Description {
	return sdk.Description{Name: "fake", Kind: sdk.KindFilter, Version: "1.2.3", Summary: "keeps", Schema: json.RawMessage(`{}`)}
}

func (f *fakeFilter) Configure(_ context.Context, c sdk.FilterConfig) (sdk.FilterState, error) {
	f.config = c
	return state, nil
}

func (f *fakeFilter) SetTable(_ context.Context, t sdk.FilterTable) error {
	f.table = t
	return f.refuse
}

func (f *fakeFilter) Renew(deadline uint64) error {
	if deadline == 13 {
		close(f.refused)
		return errors.New("deadline 13 is bad luck")
	}
	select {
	case f.renewed <- deadline:
	default:
	}
	return nil
}

func (f *fakeFilter) Sockets(_ context.Context, module string) (map[string][]uint32, error) {
	if module != "web" {
		return nil, errors.New("no module " + module)
	}
	return map[string][]uint32{"g": {0, 3, 0}}, nil
}

func (f *fakeFilter) State(context.Context) (sdk.FilterState, error) { return state, nil }

func (f *fakeFilter) Remove(_ context.Context, module string) error {
	f.removed = module
	return nil
}

var (
	state = sdk.FilterState{
		Attachments: []sdk.FilterAttachment{{Interface: "eth0", Index: 2, MAC: sdk.MAC{2, 0, 0, 0, 0, 1}, How: "tcx", Note: "no XDP"}},
		Strangers:   []sdk.FilterStranger{{Interface: "eth0", Address: netip.MustParseAddr("fd00::1"), MAC: sdk.MAC{2, 0, 0, 0, 0, 9}, Seen: 12}},
		Counters:    map[string]uint64{"web/accept-owner": 7}, LeaseUntil: 1 << 60,
		Packets: []sdk.FilterCount{{Module: "web", Group: "http", Class: "own", Reason: "accept-owner", Packets: 7}},
	}
	config = sdk.FilterConfig{
		Module: "web", Self: 64, HashKey: [16]byte{1, 15: 9}, Fence: true,
		Hash: sdk.HashLowBits,
		Interfaces: []sdk.FilterInterface{
			{Name: "eth0", Directed: true, Addresses: []netip.Addr{netip.MustParseAddr("10.0.0.1"), netip.MustParseAddr("fd00::1")}},
			{Name: "eth1", Addresses: []netip.Addr{netip.MustParseAddr("10.1.0.1")}, MACs: []sdk.MAC{{0x5a, 0xfe, 10, 1, 0, 1}}},
		},
		Groups: []sdk.FilterGroup{{Name: "g", Rules: []sdk.FilterRule{
			{Port: 65535, Protocol: "tcp", Hash: sdk.HashAddress},
			{Address: netip.MustParseAddr("10.0.0.1"), Protocol: "udp", Hash: sdk.HashPort},
		}}},
	}
	table = sdk.FilterTable{
		Module: "web", Epoch: 5, Accept: true, Agreed: true, Moving: true, Silent: 1<<63 | 2,
		Groups: map[string][]sdk.Row{"g": {1, 0x01020304, 0xffffffff}},
		MACs:   map[uint8][]sdk.MAC{1: {{1, 2, 3, 4, 5, 6}, {6}}, 64: {{9}}},
	}
)

func TestFilterTwins(t *testing.T) {
	fake := &fakeFilter{renewed: make(chan uint64, 10)}
	f, err := sdktest.Connect(t, fake).Filter("fake")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	ctx := t.Context()
	got, err := f.Configure(ctx, config)
	if err != nil {
		t.Fatal(err)
	}
	addr := cmp.Comparer(func(a, b netip.Addr) bool { return a == b })
	for what, d := range map[string]string{
		"state": cmp.Diff(state, got, addr), "config": cmp.Diff(config, fake.config, addr),
	} {
		if d != "" {
			t.Errorf("%s: %s", what, d)
		}
	}
	if err := f.SetTable(ctx, table); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(table, fake.table); d != "" {
		t.Error(d)
	}
	if s, err := f.Sockets(ctx, "web"); err != nil || cmp.Diff(map[string][]uint32{"g": {0, 3, 0}}, s) != "" {
		t.Errorf("sockets: %v, %v", s, err)
	}
	if _, err := f.Sockets(ctx, "db"); err == nil || err.Error() != "no module db" {
		t.Errorf("error over the wire: %v", err)
	}
	if st, err := f.State(ctx); err != nil || cmp.Diff(state, st, addr) != "" {
		t.Errorf("state: %+v, %v", st, err)
	}
	if err := f.Remove(ctx, "web"); err != nil || fake.removed != "web" {
		t.Errorf("remove %q: %v", fake.removed, err)
	}
	if d := f.Describe(); d.Version != "1.2.3" || d.Kind != sdk.KindFilter {
		t.Errorf("description %+v", d)
	}
}

func TestLeaseIsRenewedAndItsErrorsAreTold(t *testing.T) {
	fake := &fakeFilter{renewed: make(chan uint64, 10), refused: make(chan struct{})}
	f, err := sdktest.Connect(t, fake).Filter("fake")
	if err != nil {
		t.Fatal(err)
	}
	for _, deadline := range []uint64{1, 2} {
		if err := f.Renew(deadline); err != nil {
			t.Fatal(err)
		}
		if got := <-fake.renewed; got != deadline {
			t.Errorf("renewed until %d, want %d", got, deadline)
		}
	}
	if err := f.Renew(13); err != nil {
		t.Errorf("a renewal waits for its answer: %v", err)
	}
	<-fake.refused
	limit := time.Now().Add(30 * time.Second)
	for err = nil; err == nil && time.Now().Before(limit); { // the answer comes with a later one
		err = f.Renew(14)
	}
	if err == nil || err.Error() != "renew lease: deadline 13 is bad luck" {
		t.Errorf("after a refused renewal: %v", err)
	}
	for len(fake.renewed) > 0 {
		<-fake.renewed
	}
	if err := f.Renew(15); err != nil && !strings.Contains(err.Error(), "13") {
		t.Error(err)
	}
	if got := <-fake.renewed; got != 14 && got != 15 {
		t.Errorf("renewed until %d by the next stream, want 14 or 15", got)
	}
	f.Close()
	if err := f.Renew(16); !errors.Is(err, sdk.ErrUnavailable) {
		t.Errorf("after close: %v", err)
	}
}

// fakeApp answers with what it was asked.
type fakeApp struct{}

func (fakeApp) Describe() sdk.Description {
	return sdk.Description{Name: "fake", Kind: sdk.KindApplication, Version: "1.0.0", Summary: "echo", Platforms: []string{"plan9"}}
}

func (fakeApp) Start(_ context.Context, r sdk.AppRequest) error {
	return errors.New("start " + r.Instance + " " + string(r.Settings))
}

func (fakeApp) Stop(ctx context.Context, r sdk.AppRequest) error {
	if r.Force {
		return nil
	}
	<-ctx.Done()
	return ctx.Err()
}

func (fakeApp) Status(context.Context, sdk.AppRequest) sdk.Result {
	return sdk.Result{Status: "odd"}
}

func TestApplicationTwins(t *testing.T) {
	a, err := sdktest.Connect(t, fakeApp{}).Application("fake")
	if err != nil {
		t.Fatal(err)
	}
	r := sdk.AppRequest{Instance: "web/nginx", Settings: json.RawMessage(`{"a":1}`)}
	if err := a.Start(t.Context(), r); err == nil || err.Error() != `start web/nginx {"a":1}` {
		t.Errorf("start: %v", err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if err := a.Stop(ctx, r); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("stop without end: %v", err)
	}
	r.Force = true
	if err := a.Stop(t.Context(), r); err != nil {
		t.Errorf("stop by force: %v", err)
	}
	if s := a.Status(t.Context(), r); s.Status != sdk.StatusUnknown || s.Reason != "the plugin answered with status odd, which is none of up, down, unknown" {
		t.Errorf("odd status: %+v", s)
	}
	if why := a.Describe().Unavailable; !strings.HasPrefix(why, "application fake runs on plan9 only; this node runs ") {
		t.Errorf("unavailable: %q", why)
	}
}

func TestRegisterRefuses(t *testing.T) {
	c := sdktest.Connect(t, fakeApp{})
	if _, err := c.Checker("fake"); err == nil {
		t.Error("an application is given as a checker")
	}
	for want, plugins := range map[string][]sdk.Plugin{
		"register plugin: two plugins are called application/fake":                       {fakeApp{}, fakeApp{}},
		`register plugin: filter "odd" (sdk_test.odd) lacks methods of that kind`:        {odd{sdk.KindFilter, "odd"}},
		`register plugin: a checker has no name`:                                         {odd{sdk.KindChecker, ""}},
		`register plugin: plugin "odd" has kind "x"; use checker, filter or application`: {odd{"x", "odd"}},
	} {
		if err := sdk.Register(nil, plugins...); err == nil || err.Error() != want {
			t.Errorf("got %v, want %s", err, want)
		}
	}
}

type odd struct {
	kind sdk.Kind
	name string
}

func (o odd) Describe() sdk.Description { return sdk.Description{Kind: o.kind, Name: o.name} }
