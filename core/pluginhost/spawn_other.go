//go:build !linux

package pluginhost

import "syscall"

// spawner forks; the plugin watches the host by itself (package sdk).
type spawner struct{}

func newSpawner() *spawner               { return &spawner{} }
func (*spawner) do(f func() error) error { return f() }
func (*spawner) close()                  {}
func attributes() *syscall.SysProcAttr   { return nil }
