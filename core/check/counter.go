package check

import "github.com/orchestrator-ha/orchestrator/core"

// counter makes a value of results. It is pure.
type counter struct {
	rise, fall int
	value      core.Value // now
	settled    core.Value // the latest that was up or down; init before
	ups, downs int        // in a row
}

// next answers the value after another was found.
func (c *counter) next(found core.Value) core.Value {
	switch found {
	case core.ResUp:
		c.ups, c.downs = c.ups+1, 0
		if c.ups >= c.rise || (c.value == core.ResUnknown && c.settled == core.ResUp) {
			c.value, c.settled = core.ResUp, core.ResUp
		}
	case core.ResDown:
		c.ups, c.downs = 0, c.downs+1
		if c.downs >= c.fall {
			c.value, c.settled = core.ResDown, core.ResDown
		}
	default:
		c.ups, c.downs = 0, 0
		c.value = core.ResUnknown
	}
	return c.value
}
