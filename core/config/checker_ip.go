package config

import "github.com/orchestrator-ha/orchestrator/core"

func ipChecker() checkerKind {
	k := newChecker("ip", "A local address is set and can be used; a change is seen at once. Resource ip.IDENT.", running, "both", core.VerbStopStart, target(
		Attribute{Name: "addr", Kind: KindResolved, Required: true, Status: Used, Doc: "Address."}, interval("1s")))
	k.tell = func(_ *parser, c *Checker, to *node) bool {
		c.paced(to)
		c.Settings["addr"] = to.values["addr"].addr.String()
		return true
	}
	return k
}
