package sdk

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"
)

// Probe is a checker made of one function: what all checkers do alike, the
// description, the schema's frame, reading settings, the deadline, is done here. S
// is a struct with the settings, as JSON names them.
//
//	sdk.Serve(sdk.Probe[disk]{
//		Name: "disk", Summary: "up while a file system has room",
//		Properties: `{"path": {"type": "string"}}`, Required: []string{"path"},
//		Look: look,
//	}.Checker())
type Probe[S any] struct {
	Name      string   // among checkers: lower-case letters, digits, - and _
	Summary   string   // one line: when is it up?
	Version   string   // semantic version; 1.0.0 if empty
	Platforms []string // GOOS values on which it works; empty: all

	// Properties is a JSON object: the JSON Schema of each setting.
	Properties string
	// Required names the settings that must be there.
	Required []string
	// Keywords are more of the schema, a JSON object: {"oneOf": […]}. May be empty.
	Keywords string
	// Defaults are the settings that are left out.
	Defaults S
	// Timeout, if not 0, gives the probe a setting "timeout" with this default: how
	// long one look may take. Deadline of the context and Limit tell it.
	Timeout time.Duration

	// Look looks once. It must return before ctx ends.
	Look func(ctx context.Context, settings S) Result

	// News, if there is any, tells of changes until ctx ends: Look is called at once,
	// whenever a value comes, and at the interval, to be sure. A nil channel never
	// tells.
	News func(ctx context.Context, settings S) (<-chan struct{}, error)
	// Watch, instead of News, is for a checker that keeps something between looks;
	// see Watcher. Limit tells how long each of its looks may take.
	Watch func(ctx context.Context, settings S, interval time.Duration, report func(Result)) error
}

// timeoutProperty is the schema of the setting "timeout".
const timeoutProperty = `{"description": "how long an answer may take, e.g. \"5s\" or a number of seconds",
	"anyOf": [{"type": "number", "exclusiveMinimum": 0}, {"type": "string", "pattern": "` + DurationPattern + `"}]}`

// Checker makes the checker, which is a Watcher if the probe has News or Watch. It
// panics if the schema is no JSON or Look is missing: such a plugin can never work.
func (p Probe[S]) Checker() Checker {
	if p.Look == nil {
		panic("checker " + p.Name + " has no function Look")
	}
	c := probe[S]{Probe: p, schema: p.schema()}
	if p.News != nil || p.Watch != nil {
		return watchingProbe[S]{c}
	}
	return c
}

// schema puts the parts into the frame that all have.
func (p Probe[S]) schema() json.RawMessage {
	properties, all := map[string]json.RawMessage{}, map[string]any{}
	for _, part := range []struct {
		text string
		into any
	}{{cmp.Or(p.Properties, "{}"), &properties}, {cmp.Or(p.Keywords, "{}"), &all}} {
		if err := json.Unmarshal([]byte(part.text), part.into); err != nil {
			panic(fmt.Sprintf("checker %s: its schema is not JSON: %v: %s", p.Name, err, part.text))
		}
	}
	if p.Timeout > 0 {
		properties["timeout"] = json.RawMessage(timeoutProperty)
	}
	all["$schema"] = "https://json-schema.org/draft/2020-12/schema"
	all["type"], all["additionalProperties"], all["properties"] = "object", false, properties
	if len(p.Required) > 0 {
		all["required"] = p.Required
	}
	raw, err := json.Marshal(all)
	if err != nil {
		panic("checker " + p.Name + ": " + err.Error()) // cannot be: all of it was JSON
	}
	return raw
}

// probe is a Probe as a Checker.
type probe[S any] struct {
	Probe[S]
	schema json.RawMessage
}

// watchingProbe is one that learns of changes by itself.
type watchingProbe[S any] struct{ probe[S] }

func (p probe[S]) Describe() Description {
	return Description{
		Name: p.Name, Kind: KindChecker, Version: cmp.Or(p.Version, "1.0.0"), Summary: p.Summary,
		Schema: p.schema, Platforms: p.Platforms,
	}
}

// Check looks once.
func (p probe[S]) Check(ctx context.Context, raw json.RawMessage) Result {
	s, limit, err := p.read(raw)
	if err != nil {
		return Unknown("%v", err)
	}
	return p.look(ctx, s, limit)
}

// look calls Look with its limit.
func (p probe[S]) look(ctx context.Context, s S, limit time.Duration) Result {
	start := time.Now()
	inner, cancel := limited(ctx, limit)
	defer cancel()
	r := p.Look(inner, s)
	if errors.Is(ctx.Err(), context.Canceled) && r.Status != StatusUp && r.Reason == "" {
		r = Unknown("the check was cancelled")
	}
	if r.Took == 0 {
		r.Took = time.Since(start)
	}
	return r
}

// Watch looks whenever there is news.
func (p watchingProbe[S]) Watch(ctx context.Context, raw json.RawMessage, interval time.Duration, report func(Result)) error {
	s, limit, err := p.read(raw)
	if err != nil {
		report(Unknown("%v", err))
		<-ctx.Done()
		return nil
	}
	if p.Probe.Watch != nil {
		return p.Probe.Watch(context.WithValue(ctx, limitKey{}, limit), s, interval, report)
	}
	news, err := p.News(ctx, s)
	if err != nil {
		return err
	}
	tick := time.NewTicker(interval)
	defer tick.Stop()
	for {
		report(p.look(ctx, s, limit))
		select {
		case <-ctx.Done():
			return nil
		case <-news:
		case <-tick.C:
		}
	}
}

// read reads the settings, and takes the timeout out of them.
func (p Probe[S]) read(raw json.RawMessage) (S, time.Duration, error) {
	s, limit := p.Defaults, Duration(p.Timeout)
	if p.Timeout > 0 && len(bytes.TrimSpace(raw)) > 0 {
		all := map[string]json.RawMessage{}
		if err := json.Unmarshal(raw, &all); err != nil {
			return s, 0, fmt.Errorf("read settings: %w", err)
		}
		if text, ok := all["timeout"]; ok {
			if err := limit.UnmarshalJSON(text); err != nil {
				return s, 0, fmt.Errorf("read settings: timeout: %w", err)
			}
			delete(all, "timeout")
			raw, _ = json.Marshal(all) // it was JSON
		}
	}
	err := DecodeSettings(raw, &s)
	return s, time.Duration(limit), err
}
