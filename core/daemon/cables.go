package daemon

import (
	"net"

	"github.com/orchestrator-ha/orchestrator/core/vip"
)

// cables knows which interfaces have a carrier.
type cables struct{ dark map[int]bool } // by index

// back answers the interfaces that got their carrier back since the last look.
func (c *cables) back(now []net.Interface) (list []net.Interface) {
	dark := map[int]bool{}
	for _, i := range now {
		if i.Flags&net.FlagRunning == 0 {
			dark[i.Index] = true
		} else if c.dark[i.Index] {
			list = append(list, i)
		}
	}
	c.dark = dark
	return list
}

// askAgain lets a node whose cable is back hear the others, and answer its clients, at
// once: see vip.AskAgain.
func (m *member) askAgain(c *cables) {
	now, err := net.Interfaces()
	if err != nil {
		m.log.Warn("list the interfaces", "error", err)
		return
	}
	for _, i := range c.back(now) {
		if err := vip.AskAgain(i.Index); err != nil {
			m.log.Warn("ask again for neighbours", "interface", i.Name, "error", err)
		}
	}
}
