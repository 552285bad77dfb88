package pluginhost

import (
	"encoding/json"
	"fmt"
	"math/big"
	"slices"
	"strconv"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/santhosh-tekuri/jsonschema/v6/kind"
)

// explain turns the tree of schema errors into problems with fields, sorted by
// field.
func (s *schema) explain(e *jsonschema.ValidationError, settings any) []Problem {
	var out []Problem
	s.walk(e, settings, &out)
	slices.SortStableFunc(out, func(a, b Problem) int { return strings.Compare(a.Field, b.Field) })
	return out
}

func (s *schema) walk(e *jsonschema.ValidationError, settings any, out *[]Problem) {
	at := e.InstanceLocation
	add := func(field, text string) { *out = append(*out, Problem{field, text}) }
	switch k := e.ErrorKind.(type) {
	case *kind.Required:
		for _, name := range k.Missing {
			add(field(append(slices.Clone(at), name)), "is missing")
		}
	case *kind.AdditionalProperties:
		for _, name := range k.Properties {
			text := "no such setting"
			if len(at) == 0 && len(s.known) > 0 {
				text += "; known are " + strings.Join(s.known, ", ")
			}
			add(field(append(slices.Clone(at), name)), text)
		}
	case *kind.AnyOf, *kind.OneOf:
		var choices []string
		for _, c := range e.Causes {
			var below []Problem
			s.walk(c, settings, &below)
			for _, p := range below {
				choices = append(choices, strings.TrimPrefix(p.Text, show(value(settings, at))+" "))
			}
		}
		add(field(at), show(value(settings, at))+" fits none of the allowed forms: "+strings.Join(choices, "; "))
	default:
		if len(e.Causes) == 0 {
			add(field(at), show(value(settings, at))+" "+say(e.ErrorKind))
		}
		for _, c := range e.Causes {
			s.walk(c, settings, out)
		}
	}
}

// say completes the sentence that begins with the value.
func say(k jsonschema.ErrorKind) string {
	switch k := k.(type) {
	case *kind.Type:
		return "is of type " + k.Got + ", wanted is " + strings.Join(k.Want, " or ")
	case *kind.Minimum:
		return "is less than " + number(k.Want)
	case *kind.Maximum:
		return "is more than " + number(k.Want)
	case *kind.ExclusiveMinimum:
		return "must be more than " + number(k.Want)
	case *kind.ExclusiveMaximum:
		return "must be less than " + number(k.Want)
	case *kind.MinLength:
		return fmt.Sprintf("has fewer than %d characters", k.Want)
	case *kind.MaxLength:
		return fmt.Sprintf("has more than %d characters", k.Want)
	case *kind.MinItems:
		return fmt.Sprintf("has fewer than %d entries", k.Want)
	case *kind.MaxItems:
		return fmt.Sprintf("has more than %d entries", k.Want)
	case *kind.Pattern:
		return "does not look like " + k.Want
	case *kind.Enum:
		var want []string
		for _, w := range k.Want {
			want = append(want, show(w))
		}
		return "is none of " + strings.Join(want, ", ")
	case *kind.Const:
		return "is not " + show(k.Want)
	case *kind.Format:
		return "is not a valid " + k.Want
	}
	return "is refused by " + strings.Join(k.KeywordPath(), "/")
}

func number(r *big.Rat) string {
	if r.IsInt() {
		return r.Num().String()
	}
	f, _ := r.Float64()
	return strconv.FormatFloat(f, 'g', -1, 64)
}

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

// value finds what stands at a location.
func value(v any, at []string) any {
	for _, part := range at {
		switch t := v.(type) {
		case map[string]any:
			v = t[part]
		case []any:
			i, err := strconv.Atoi(part)
			if err != nil || i < 0 || i >= len(t) {
				return nil
			}
			v = t[i]
		}
	}
	return v
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
