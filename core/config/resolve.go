package config

import (
	"fmt"

	"github.com/orchestrator-ha/orchestrator/core/diag"
)

// resolve looks up a name that stands for an address, and says whether there is an
// address then. All nodes must mean the same address, also when DNS is away; so names
// are looked up when a configuration is applied, and what came of it belongs to the
// configuration. Who only checks it does not look them up, and leaves out what they
// stand for.
func (p *parser) resolve(v *value) bool {
	switch {
	case v.star || v.addr.IsValid():
		return true
	case p.options.Resolve == nil:
		p.report(diag.Note, idResolved, v.at, fmt.Sprintf("%s is looked up when the configuration is applied", short(v.text)))
		return false
	}
	addr, err := p.options.Resolve(v.text)
	if err != nil {
		p.valueProblem(idAddress, *v, err.Error()).Hint = "write the address itself, or give the name just one"
		return false
	}
	v.addr = addr.Unmap()
	return true
}
