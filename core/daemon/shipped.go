package daemon

import (
	"context"
	"fmt"

	"github.com/orchestrator-ha/orchestrator/core/config"
	"github.com/orchestrator-ha/orchestrator/core/control"
	"github.com/orchestrator-ha/orchestrator/modules"
)

// Shipped lists the modules that come with the product, and what can be set in each.
func (d *Daemon) Shipped(context.Context) ([]control.Shipped, error) {
	list := []control.Shipped{}
	for _, name := range modules.Names() {
		files, _ := modules.Builtin(name)
		// Whatever has to be set is an address, for which any will do here.
		m, problems := config.Parse(files, name, config.Options{})
		if m == nil {
			m, problems = config.Parse(files, name, config.Options{Set: map[string]string{"VIRTUAL_IP": "192.0.2.1"}})
		}
		if m == nil {
			return nil, fmt.Errorf("read the shipped module %s: %w", name, problems)
		}
		one := control.Shipped{Name: name, Mode: m.Mode}
		for _, x := range m.Macros {
			macro := control.Macro{Name: x.Name, Value: x.Value, Doc: x.Doc}
			if x.Origin == config.FromSet {
				macro.Value, macro.Required = "", true
			}
			one.Macros = append(one.Macros, macro)
		}
		list = append(list, one)
	}
	return list, nil
}
