package sdk_test

import (
	"context"
	"fmt"

	"github.com/orchestrator-ha/orchestrator/sdk"
)

// room are the settings of the example.
type room struct {
	Path string `json:"path"`
	Most int    `json:"most"`
}

// A checker is one function and the schema of its settings; main calls sdk.Serve with it.
func ExampleProbe() {
	used := map[string]int{"/srv": 97}
	disk := sdk.Probe[room]{
		Name: "disk", Summary: "up while a file system has room",
		Properties: `{
			"path": {"type": "string", "minLength": 1},
			"most": {"type": "integer", "maximum": 100, "description": "per cent in use; 90 if left out"}
		}`,
		Required: []string{"path"},
		Defaults: room{Most: 90},
		Look: func(_ context.Context, s room) sdk.Result {
			switch n, ok := used[s.Path]; {
			case !ok:
				return sdk.Unknown("there is no %s", s.Path)
			case n > s.Most:
				return sdk.Down("%s is more than %d %% full", s.Path, s.Most)
			}
			return sdk.Up("")
		},
	}.Checker()
	for _, settings := range []string{`{"path": "/srv"}`, `{"path": "/srv", "most": 98}`, `{"path": "/var"}`} {
		r := disk.Check(context.Background(), []byte(settings))
		fmt.Printf("%s %q\n", r.Status, r.Reason)
	}
	// Output:
	// down "/srv is more than 90 % full"
	// up ""
	// unknown "there is no /var"
}
