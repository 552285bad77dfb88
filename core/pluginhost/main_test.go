package pluginhost

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"

	appprocess "github.com/orchestrator-ha/orchestrator/plugins/application/process"
	"github.com/orchestrator-ha/orchestrator/plugins/checker/tcp"
	"github.com/orchestrator-ha/orchestrator/sdk"
)

// TestMain lets the test binary play the plugin, and the host that dies.
func TestMain(m *testing.M) {
	switch strings.Join(os.Args[1:min(len(os.Args), 3)], " ") {
	case "plugin serve":
		if err := sdk.Serve(fileChecker{}, tcp.New(), &memoryFilter{}, markerApp{}, appprocess.New()); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	case "plugin crash":
		panic("no configuration today")
	case "host":
		dyingHost()
	}
	os.Exit(m.Run())
}

// fileChecker is up while a file exists.
type fileChecker struct{}

func (fileChecker) Describe() sdk.Description {
	return sdk.Description{
		Name: "file", Kind: sdk.KindChecker, Version: "1.0.0", Summary: "up while a file exists",
		Schema: json.RawMessage(`{"type":"object","required":["path"],"additionalProperties":false,
			"properties":{"path":{"type":"string","minLength":1},"size":{"type":"integer","maximum":100},
			"mode":{"enum":["fast","slow"]},"list":{"type":"array","items":{"type":"string"}},
			"limit":{"anyOf":[{"type":"number"},{"type":"string","pattern":"^[0-9]+s$"}]}}}`),
	}
}

func (fileChecker) Check(_ context.Context, raw json.RawMessage) sdk.Result {
	var s struct{ Path string }
	if err := json.Unmarshal(raw, &s); err != nil {
		return sdk.Result{Status: sdk.StatusUnknown, Reason: err.Error()}
	}
	if _, err := os.Stat(s.Path); err != nil {
		return sdk.Result{Status: sdk.StatusDown, Reason: "no file"}
	}
	return sdk.Result{Status: sdk.StatusUp}
}

// memoryFilter remembers what it was told.
type memoryFilter struct {
	mu      sync.Mutex
	modules map[string]sdk.FilterConfig
	lease   uint64
}

func (*memoryFilter) Describe() sdk.Description {
	return sdk.Description{Name: "memory", Kind: sdk.KindFilter, Version: "1.0.0", Summary: "remembers"}
}

func (f *memoryFilter) Configure(_ context.Context, c sdk.FilterConfig) (sdk.FilterState, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.modules == nil {
		f.modules = map[string]sdk.FilterConfig{}
	}
	f.modules[c.Module] = c
	return sdk.FilterState{}, nil
}

func (f *memoryFilter) SetTable(_ context.Context, t sdk.FilterTable) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if _, ok := f.modules[t.Module]; !ok {
		return fmt.Errorf("module %s is not configured", t.Module)
	}
	return nil
}

func (f *memoryFilter) Renew(deadline uint64) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.lease = deadline
	return nil
}

func (f *memoryFilter) Sockets(context.Context, string) (map[string][]uint32, error) { return nil, nil }

func (f *memoryFilter) State(context.Context) (sdk.FilterState, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return sdk.FilterState{LeaseUntil: f.lease, Counters: map[string]uint64{"modules": uint64(len(f.modules))}}, nil
}

func (f *memoryFilter) Remove(_ context.Context, module string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.modules, module)
	return nil
}

// markerApp dies in its first Start, which leaves a marker, and works after.
type markerApp struct{}

func (markerApp) Describe() sdk.Description {
	return sdk.Description{
		Name: "marker", Kind: sdk.KindApplication, Version: "1.0.0", Summary: "dies once",
		Unavailable: "this node has no marker",
	}
}

func (markerApp) Start(_ context.Context, r sdk.AppRequest) error {
	if _, err := os.Stat(r.Instance); err == nil {
		return nil
	}
	if err := os.WriteFile(r.Instance, nil, 0o600); err != nil {
		return err
	}
	os.Exit(3)
	return nil
}

func (markerApp) Stop(context.Context, sdk.AppRequest) error {
	return errors.New("the marker stays: it is glued")
}

func (markerApp) Status(context.Context, sdk.AppRequest) sdk.Result {
	return sdk.Result{Status: sdk.StatusUp}
}

// dyingHost is the test binary as a host: it starts a plugin, prints the number
// of its process and waits to be killed.
func dyingHost() {
	started := make(chan int, 1)
	h, err := New(Options{Plugins: table(), Events: func(e Event) { started <- e.PID }})
	if err == nil {
		go func() { _, err = h.Describe(context.Background(), sdk.KindChecker, "file") }()
		fmt.Println(<-started)
		select {}
	}
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}
