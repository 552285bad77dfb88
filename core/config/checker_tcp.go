package config

import "github.com/orchestrator-ha/orchestrator/core"

func tcpChecker() checkerKind {
	k := newChecker("tcp", "A TCP connection to an address and port works. Resource tcp.IDENT.", anyTime, "both", core.VerbRestart,
		to("1s", "1s", where, Attribute{Name: "port", Kind: KindPort, Required: true, Status: Used, Doc: "Port."}))
	k.tell = func(_ *parser, c *Checker, to *node) bool {
		c.overNetwork(to)
		c.Settings["addr"], c.Settings["port"] = to.values["addr"].text, to.values["port"].number
		return true
	}
	return k
}
