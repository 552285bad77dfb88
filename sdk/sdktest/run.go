package sdktest

import (
	"bytes"
	"encoding/json"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/jsonschema-go/jsonschema"

	"github.com/orchestrator-ha/orchestrator/sdk"
)

// Options tell the suite how to use the plugin under test.
type Options struct {
	// Settings are an example that the schema accepts and that works here.
	Settings json.RawMessage
	// Invalid are settings that the schema must refuse.
	Invalid []json.RawMessage
	// Filter is a configuration that works here; nil leaves a filter at the
	// tests that need none.
	Filter *sdk.FilterConfig
	// Timeout limits each call; 0 is 10 s.
	Timeout time.Duration
}

// Run checks that p keeps the contract of its kind.
func Run(t *testing.T, p sdk.Plugin, o Options) {
	if o.Timeout == 0 {
		o.Timeout = 10 * time.Second
	}
	client := Connect(t, p)
	d := p.Describe()
	t.Run("description", func(t *testing.T) { description(t, client, d, o) })
	switch d.Kind {
	case sdk.KindChecker:
		t.Run("checker", func(t *testing.T) { checker(t, client, d, o) })
	case sdk.KindApplication:
		t.Run("application", func(t *testing.T) { application(t, client, d, o) })
	case sdk.KindFilter:
		t.Run("filter", func(t *testing.T) { filter(t, client, d, o) })
	}
}

var (
	namePattern   = regexp.MustCompile(`^[a-z][a-z0-9_-]{0,30}$`)
	semverPattern = regexp.MustCompile(`^\d+\.\d+\.\d+([-+].+)?$`)
)

func description(t *testing.T, client *sdk.Client, d sdk.Description, o Options) {
	got, err := client.Description(d.Kind, d.Name)
	if err != nil {
		t.Fatal(err)
	}
	if !namePattern.MatchString(got.Name) {
		t.Errorf("name %q: want lower-case letters, digits, - and _, at most 31, a letter first", got.Name)
	}
	if !semverPattern.MatchString(got.Version) {
		t.Errorf("version %q is not a semantic version", got.Version)
	}
	if got.Summary == "" || strings.Contains(got.Summary, "\n") || len(got.Summary) > 100 {
		t.Errorf("summary %q: want one line of at most 100 characters", got.Summary)
	}
	if !bytes.Equal(got.Schema, d.Schema) {
		t.Error("the schema changes from one Describe to the next")
	}
	schema := compile(t, got.Schema)
	if err := schema.Validate(decode(t, o.Settings)); err != nil {
		t.Errorf("the schema refuses the example settings: %v", err)
	}
	if schema.Validate(map[string]any{"no-such-setting-ever": true}) == nil {
		t.Error(`the schema accepts unknown settings; set "additionalProperties": false so that a misspelt name is found`)
	}
	for _, bad := range o.Invalid {
		if schema.Validate(decode(t, bad)) == nil {
			t.Errorf("the schema accepts %s", bad)
		}
	}
}

func compile(t *testing.T, text json.RawMessage) *jsonschema.Resolved {
	t.Helper()
	var s jsonschema.Schema
	if err := json.Unmarshal(text, &s); err != nil {
		t.Fatalf("read schema: %v", err)
	}
	whole, err := s.Resolve(nil)
	if err != nil {
		t.Fatalf("compile schema: %v", err)
	}
	return whole
}

func decode(t *testing.T, text json.RawMessage) (v any) {
	t.Helper()
	if err := json.Unmarshal(text, &v); err != nil {
		t.Fatalf("read %q: %v", text, err)
	}
	return v
}
