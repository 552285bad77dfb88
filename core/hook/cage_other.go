//go:build !linux && !windows

package hook

import (
	"os"
	"os/exec"
	"syscall"
)

// cage is a process group.
type cage struct{ pgid int }

func newCage(string) *cage { return &cage{} }

func (c *cage) prepare(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
}

func (c *cage) started(p *os.Process) { c.pgid = p.Pid }

func (c *cage) ended() { c.pgid = 0 }

func (c *cage) giveUp(error) bool { return false }

func (c *cage) kill(*os.Process) {
	if c.pgid > 0 {
		_ = syscall.Kill(-c.pgid, syscall.SIGKILL)
	}
}

func (c *cage) empty() bool { return true }

func (c *cage) remove() bool { return true }
