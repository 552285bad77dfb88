package control

import "github.com/orchestrator-ha/orchestrator/core"

// Shipped is a module that comes with the product.
type Shipped struct {
	Name   string    `json:"name"`
	Mode   core.Mode `json:"mode"`
	Macros []Macro   `json:"macros,omitempty"`
}

// Macro is a value of a module that --set gives.
type Macro struct {
	Name     string `json:"name"`
	Value    string `json:"value"` // the default
	Doc      string `json:"doc,omitempty"`
	Required bool   `json:"required,omitempty"` // it has no default
}
