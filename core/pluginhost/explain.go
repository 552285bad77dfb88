package pluginhost

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/google/jsonschema-go/jsonschema"
)

// explain finds what is wrong with settings and where, sorted by field. The library answers
// with a sentence of its own; so each part of the schema is asked about its part of the
// settings, until the smallest that refuses is found.
func (s *schema) explain(settings any) []Problem {
	w := walk{known: s.known}
	w.walk(s.parsed, settings, nil)
	slices.SortStableFunc(w.found, func(a, b Problem) int { return strings.Compare(a.Field, b.Field) })
	return w.found
}

type walk struct {
	known []string // names of settings at the top
	found []Problem
}

func (w *walk) add(at []string, text string) {
	w.found = append(w.found, Problem{field(at), text})
}

func (w *walk) walk(s *jsonschema.Schema, v any, at []string) {
	if accepts(s, v) {
		return
	}
	before := len(w.found)
	switch t := v.(type) {
	case map[string]any:
		w.object(s, t, at)
	case []any:
		for i, one := range t {
			if s.Items != nil {
				w.walk(s.Items, one, below(at, strconv.Itoa(i)))
			}
		}
	}
	for _, part := range s.AllOf {
		w.walk(part, v, at)
	}
	for _, forms := range [][]*jsonschema.Schema{s.AnyOf, s.OneOf} {
		w.forms(forms, v, at)
	}
	for _, r := range refusals(s, v) {
		if !accepts(r.part, v) {
			w.add(at, show(v)+" "+r.text)
		}
	}
	if len(w.found) == before {
		w.add(at, show(v)+" is refused: "+reason(s, v))
	}
}

func (w *walk) object(s *jsonschema.Schema, v map[string]any, at []string) {
	for _, name := range s.Required {
		if _, ok := v[name]; !ok {
			w.add(below(at, name), "is missing")
		}
	}
	for _, name := range slices.Sorted(maps.Keys(v)) {
		inner := s.Properties[name]
		if inner == nil {
			inner = s.AdditionalProperties
		}
		switch {
		case inner == nil:
		case inner.Not != nil && accepts(inner.Not, v[name]): // additionalProperties is false
			text := "no such setting"
			if len(at) == 0 && len(w.known) > 0 {
				text += "; known are " + strings.Join(w.known, ", ")
			}
			w.add(below(at, name), text)
		default:
			w.walk(inner, v[name], below(at, name))
		}
	}
}

// forms tells why each of several forms is refused, if all are.
func (w *walk) forms(forms []*jsonschema.Schema, v any, at []string) {
	var choices []string
	for _, form := range forms {
		inner := walk{}
		if inner.walk(form, v, nil); len(inner.found) == 0 {
			return
		}
		for _, p := range inner.found {
			choices = append(choices, strings.TrimPrefix(p.Text, show(v)+" "))
		}
	}
	if len(choices) > 0 {
		w.add(at, show(v)+" fits none of the allowed forms: "+strings.Join(choices, "; "))
	}
}

// refusal is one keyword of a schema alone, and how to complete the sentence that begins
// with the value that it refuses.
type refusal struct {
	part *jsonschema.Schema
	text string
}

func refusals(s *jsonschema.Schema, v any) (list []refusal) {
	say := func(part jsonschema.Schema, format string, args ...any) {
		list = append(list, refusal{&part, fmt.Sprintf(format, args...)})
	}
	if s.Type != "" || s.Types != nil {
		want := s.Types
		if s.Type != "" {
			want = []string{s.Type}
		}
		say(jsonschema.Schema{Type: s.Type, Types: s.Types}, "is of type %s, wanted is %s", kind(v), strings.Join(want, " or "))
	}
	if s.Minimum != nil {
		say(jsonschema.Schema{Minimum: s.Minimum}, "is less than %s", number(*s.Minimum))
	}
	if s.Maximum != nil {
		say(jsonschema.Schema{Maximum: s.Maximum}, "is more than %s", number(*s.Maximum))
	}
	if s.ExclusiveMinimum != nil {
		say(jsonschema.Schema{ExclusiveMinimum: s.ExclusiveMinimum}, "must be more than %s", number(*s.ExclusiveMinimum))
	}
	if s.ExclusiveMaximum != nil {
		say(jsonschema.Schema{ExclusiveMaximum: s.ExclusiveMaximum}, "must be less than %s", number(*s.ExclusiveMaximum))
	}
	if s.MinLength != nil {
		say(jsonschema.Schema{MinLength: s.MinLength}, "has fewer than %d characters", *s.MinLength)
	}
	if s.MaxLength != nil {
		say(jsonschema.Schema{MaxLength: s.MaxLength}, "has more than %d characters", *s.MaxLength)
	}
	if s.MinItems != nil {
		say(jsonschema.Schema{MinItems: s.MinItems}, "has fewer than %d entries", *s.MinItems)
	}
	if s.MaxItems != nil {
		say(jsonschema.Schema{MaxItems: s.MaxItems}, "has more than %d entries", *s.MaxItems)
	}
	if s.UniqueItems {
		say(jsonschema.Schema{UniqueItems: true}, "has an entry twice")
	}
	if s.Pattern != "" {
		say(jsonschema.Schema{Pattern: s.Pattern}, "does not look like %s", s.Pattern)
	}
	if s.Enum != nil {
		var want []string
		for _, e := range s.Enum {
			want = append(want, show(e))
		}
		say(jsonschema.Schema{Enum: s.Enum}, "is none of %s", strings.Join(want, ", "))
	}
	if s.Const != nil {
		say(jsonschema.Schema{Const: s.Const}, "is not %s", show(*s.Const))
	}
	return list
}

// accepts tells whether a part of a schema takes a value. What cannot be asked alone, as a
// reference to another part, is left to the whole.
func accepts(s *jsonschema.Schema, v any) bool { return reason(s, v) == "" }

func reason(s *jsonschema.Schema, v any) string {
	r, err := s.CloneSchemas().Resolve(nil)
	if err != nil {
		return err.Error()
	}
	if err := r.Validate(v); err != nil {
		return err.Error()
	}
	return ""
}

// kind is the JSON type of a value.
func kind(v any) string {
	switch v.(type) {
	case nil:
		return "null"
	case bool:
		return "boolean"
	case string:
		return "string"
	case map[string]any:
		return "object"
	case []any:
		return "array"
	}
	return "number"
}

func number(f float64) string { return strconv.FormatFloat(f, 'f', -1, 64) }

func below(at []string, name string) []string { return append(slices.Clone(at), name) }

// field writes a location as people do: env.PATH, command[0].
func field(at []string) string {
	var b strings.Builder
	for _, part := range at {
		if _, err := strconv.Atoi(part); err == nil {
			b.WriteString("[" + part + "]")
			continue
		}
		if b.Len() > 0 {
			b.WriteByte('.')
		}
		b.WriteString(part)
	}
	return b.String()
}

func show(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		return fmt.Sprint(v)
	}
	if len(b) > 60 {
		return string(b[:57]) + "..."
	}
	return string(b)
}
