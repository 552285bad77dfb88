// Package lua holds the Lua files that come with the product: what hooks may
// require, and in meta/ the stubs that tell editors about the functions of
// hooks.
package lua

import "embed"

// Files are the files that hooks may require, by name: services.lua.
//
//go:embed *.lua
var Files embed.FS

// Stubs is meta/orchestrator.d.lua: the functions of hooks in the notation of
// the Lua language server. It is generated from the table in core/hook.
//
//go:embed meta/orchestrator.d.lua
var Stubs string
