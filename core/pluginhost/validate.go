package pluginhost

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/orchestrator-ha/orchestrator/sdk"
)

// SettingsError says all that is wrong with the settings of a plugin.
type SettingsError struct {
	Plugin   string // checker/tcp
	Problems []Problem
}

// Problem is one thing wrong with settings.
type Problem struct {
	Field string // "port", "env.PATH", "command[0]"; empty for the settings as a whole
	Text  string // what is wrong, and what would be right
}

func (e *SettingsError) Error() string {
	var parts []string
	for _, p := range e.Problems {
		if p.Field == "" {
			parts = append(parts, p.Text)
		} else {
			parts = append(parts, p.Field+": "+p.Text)
		}
	}
	return "settings of " + e.Plugin + ": " + strings.Join(parts, "; ")
}

// Validate starts the plugin if need be and checks settings against its schema.
// The error is a *SettingsError if the settings are wrong.
func (h *Host) Validate(ctx context.Context, kind sdk.Kind, name string, settings json.RawMessage) error {
	d, err := h.Describe(ctx, kind, name)
	if err != nil {
		return err
	}
	return h.validate(d, settings)
}

// Validate checks settings against the schema in a description. It needs
// neither host nor process.
func Validate(d sdk.Description, settings json.RawMessage) error {
	s, err := compile(d)
	if err != nil {
		return err
	}
	return s.validate(settings)
}

// validate is Validate with the schema compiled once.
func (h *Host) validate(d sdk.Description, settings json.RawMessage) error {
	k := key(d.Kind, d.Name)
	h.mu.Lock()
	s := h.schemas[k]
	h.mu.Unlock()
	if s == nil || !bytes.Equal(s.text, d.Schema) {
		var err error
		if s, err = compile(d); err != nil {
			return err
		}
		h.mu.Lock()
		h.schemas[k] = s
		h.mu.Unlock()
	}
	return s.validate(settings)
}

// schema is a plugin's schema, ready for use.
type schema struct {
	plugin   string
	text     json.RawMessage
	compiled *jsonschema.Schema // nil if the plugin has none
	known    []string           // names of settings at the top
}

func compile(d sdk.Description) (*schema, error) {
	s := &schema{plugin: key(d.Kind, d.Name), text: d.Schema}
	if len(d.Schema) == 0 {
		return s, nil
	}
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(d.Schema))
	if err != nil {
		return nil, fmt.Errorf("read settings schema of plugin %s: %w", s.plugin, err)
	}
	c := jsonschema.NewCompiler()
	c.UseLoader(nothing{}) // a plugin's schema must not make the host read files
	if err := c.AddResource("settings.json", doc); err != nil {
		return nil, fmt.Errorf("read settings schema of plugin %s: %w", s.plugin, err)
	}
	if s.compiled, err = c.Compile("settings.json"); err != nil {
		return nil, fmt.Errorf("compile settings schema of plugin %s: %w", s.plugin, err)
	}
	s.known = slices.Sorted(maps.Keys(s.compiled.Properties))
	return s, nil
}

// nothing loads no schema from anywhere.
type nothing struct{}

func (nothing) Load(url string) (any, error) {
	return nil, fmt.Errorf("a settings schema must be complete in itself, but refers to %s", url)
}

func (s *schema) validate(settings json.RawMessage) error {
	if len(bytes.TrimSpace(settings)) == 0 {
		settings = json.RawMessage("{}")
	}
	v, err := jsonschema.UnmarshalJSON(bytes.NewReader(settings))
	if err != nil {
		return &SettingsError{s.plugin, []Problem{{Text: "not JSON: " + err.Error()}}}
	}
	if s.compiled == nil {
		return nil
	}
	err = s.compiled.Validate(v)
	if err == nil {
		return nil
	}
	e := &SettingsError{Plugin: s.plugin}
	if ve := (*jsonschema.ValidationError)(nil); errors.As(err, &ve) {
		e.Problems = s.explain(ve, v)
	}
	if len(e.Problems) == 0 {
		e.Problems = []Problem{{Text: err.Error()}}
	}
	return e
}
