package pluginhost

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/google/jsonschema-go/jsonschema"

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

// validate checks settings against the schema in a description, which is compiled once.
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
	parsed   *jsonschema.Schema
	compiled *jsonschema.Resolved // nil if the plugin has none
	known    []string             // names of settings at the top
}

func compile(d sdk.Description) (*schema, error) {
	s := &schema{plugin: key(d.Kind, d.Name), text: d.Schema, parsed: &jsonschema.Schema{}}
	if len(d.Schema) == 0 {
		return s, nil
	}
	if err := json.Unmarshal(d.Schema, s.parsed); err != nil {
		return nil, fmt.Errorf("read settings schema of plugin %s: %w", s.plugin, err)
	}
	// Without a loader: a plugin's schema must not make the host read files.
	var err error
	if s.compiled, err = s.parsed.Resolve(nil); err != nil {
		return nil, fmt.Errorf("compile settings schema of plugin %s (it must be complete in itself): %w", s.plugin, err)
	}
	s.known = slices.Sorted(maps.Keys(s.parsed.Properties))
	return s, nil
}

func (s *schema) validate(settings json.RawMessage) error {
	if len(bytes.TrimSpace(settings)) == 0 {
		settings = json.RawMessage("{}")
	}
	var v any
	if err := json.Unmarshal(settings, &v); err != nil {
		return &SettingsError{s.plugin, []Problem{{Text: "not JSON: " + err.Error()}}}
	}
	if s.compiled == nil {
		return nil
	}
	err := s.compiled.Validate(v)
	if err == nil {
		return nil
	}
	e := &SettingsError{Plugin: s.plugin, Problems: s.explain(v)}
	if len(e.Problems) == 0 {
		e.Problems = []Problem{{Text: err.Error()}}
	}
	return e
}
