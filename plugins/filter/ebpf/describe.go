package ebpf

import (
	"encoding/json"

	"github.com/orchestrator-ha/orchestrator/sdk"
)

func describe() sdk.Description {
	return sdk.Description{
		Name:      "ebpf",
		Kind:      sdk.KindFilter,
		Version:   "0.1.0",
		Summary:   "shares connections to a virtual address between nodes, in the Linux kernel",
		Schema:    json.RawMessage(`{"type":"object","additionalProperties":false}`),
		Platforms: []string{"linux"},
	}
}
