package daemon

import (
	"testing"

	"github.com/orchestrator-ha/orchestrator/core"
	"github.com/orchestrator-ha/orchestrator/core/control"
	"github.com/orchestrator-ha/orchestrator/modules"
)

func TestShipped(t *testing.T) {
	list, err := new(Daemon).Shipped(t.Context())
	if err != nil || len(list) != len(modules.Names()) {
		t.Fatalf("%+v %v", list, err)
	}
	found := map[string]control.Shipped{}
	for _, s := range list {
		found[s.Name] = s
	}
	for _, m := range found["nginx_farm"].Macros {
		if m.Doc == "" || m.Required != (m.Name == "VIRTUAL_IP") || m.Required && m.Value != "" || m.Name == "PORT" && m.Value != "80" {
			t.Errorf("%+v", m)
		}
	}
	if found["light"].Mode != core.Light || found["nginx_farm"].Mode != core.Farm || len(found["nginx_farm"].Macros) < 3 {
		t.Errorf("%+v", found)
	}
}
