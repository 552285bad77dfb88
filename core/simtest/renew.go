package simtest

import (
	"maps"
	"slices"
	"strings"

	"github.com/orchestrator-ha/orchestrator/core"
)

// config gives a node another configuration while its daemon runs.
func (s *PairScenario) config(words []string, text string) error {
	var wrong error
	err := s.on(words, 1, func(h *Host) {
		if !h.Up {
			return
		}
		m := h.In.Module
		m.Hooks, m.Checks = maps.Clone(m.Hooks), slices.Clone(m.Checks)
		for line := range strings.Lines(text) {
			f := strings.Fields(line)
			if f[0] == "drop" || f[0] == "check" {
				m.Checks = slices.DeleteFunc(m.Checks, func(c core.Check) bool { return c.Resource == f[1] })
			}
			if f[0] == "drop" {
				continue
			}
			if err := setPair(&m, f); err != nil {
				wrong = err
			}
		}
		s.World.Post(h, core.Event{Kind: core.EventModule, Module: &m})
	})
	if err == nil {
		err = wrong
	}
	return err
}
