package config

import "github.com/orchestrator-ha/orchestrator/core"

func pingChecker() checkerKind {
	k := newChecker("ping", "An address answers to ping. Resource ping.IDENT.", anyTime, "pre", core.VerbWait, to("1s", "1s", where))
	k.tell = func(_ *parser, c *Checker, to *node) bool {
		c.overNetwork(to)
		c.Settings["addr"] = to.values["addr"].text
		return true
	}
	return k
}
