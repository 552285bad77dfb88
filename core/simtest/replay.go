package simtest

import (
	"encoding/json"

	"github.com/orchestrator-ha/orchestrator/core"
)

// replay holds that a step changes nothing of what it is given, and that an
// instance which was stored and read again makes the same one.
func (w *World) replay(h *Host, ev core.Event) {
	before := w.marshal(h.In)
	var stored core.Instance
	if err := json.Unmarshal([]byte(before), &stored); err != nil {
		w.fail("read an instance: %w", err)
		return
	}
	next, actions, _ := core.Step(h.In, ev)
	if after := w.marshal(h.In); after != before {
		w.fail("%v changed its input:\n%s\n%s", ev.Kind, before, after)
	}
	next2, actions2, _ := core.Step(stored, ev)
	if a, b := w.marshal(next), w.marshal(next2); a != b {
		w.fail("a stored instance goes another way:\n%s\n%s", a, b)
	}
	if a, b := w.marshal(actions), w.marshal(actions2); a != b {
		w.fail("a stored instance acts in another way:\n%s\n%s", a, b)
	}
}

func (w *World) marshal(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		w.fail("store: %w", err)
	}
	return string(b)
}
