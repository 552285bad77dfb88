//go:build !linux

package custom

import "os/exec"

func start(cmd *exec.Cmd) error { return cmd.Start() }

func wait(cmd *exec.Cmd) error { return cmd.Wait() }

// ask kills at once: there is no signal that every program here understands.
func ask(cmd *exec.Cmd) { kill(cmd) }

func kill(cmd *exec.Cmd) { _ = cmd.Process.Kill() } // it may have ended
