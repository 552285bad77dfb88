package config

import (
	"strings"

	"github.com/orchestrator-ha/orchestrator/core"
)

func customChecker() checkerKind {
	k := newChecker("custom", "A program of the module decides. It is called with the names of module and resource and then its own arguments. Either it ends, 0 is up and any other code down, and is run again; or it goes on and prints a line whenever it knows something new: up, or down or unknown with a reason; safekit set -r does the same. If its name ends in .lua, it is a file of Lua that returns a function: return function(check) … return \"down\", \"why\" end. Resource custom.IDENT.",
		anyTime, "both", core.VerbNone, Element{},
		Attribute{Name: "exec", Kind: KindPath, Required: true, Status: Used, Doc: "Program in bin/, or file of Lua there."},
		Attribute{Name: "arg", Kind: KindText, Status: Used, Doc: "Its arguments, with spaces between."},
		Attribute{Name: "interval", Kind: KindDuration, Unit: "s", Grain: "ms", Default: "10s", Min: 10, Status: Used, New: true, Doc: "How long after its last start one that has ended is run again."},
		Attribute{Name: "timeout", Kind: KindDuration, Unit: "s", Grain: "ms", Default: "0s", Status: Used, New: true, Doc: "How long it may go on without printing such a line, or how long the function in Lua may take; it is cut off then, and the resource is down. 0: for ever, in Lua 10 s."})
	k.tell = func(p *parser, c *Checker, n *node) bool {
		v := n.values
		if !p.program(v["exec"]) {
			return false
		}
		// As SafeKit runs it: with the names of module and resource before its own arguments.
		c.Settings["args"] = append([]string{p.name, c.Resource()}, strings.Fields(v["arg"].text)...)
		c.Settings["path"] = File(inBin(v["exec"]))
		c.Settings["timeout"] = v["timeout"].span.String() // of its silence, not of a look
		c.Interval, c.Program = v["interval"].span, true
		return true
	}
	return k
}
