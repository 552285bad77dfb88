package custom

import (
	"errors"
	"os/exec"
	"syscall"

	"golang.org/x/sys/unix"
)

// start starts the program in a process group of its own. It dies with the thread
// that started it, which its caller holds until it has ended: so a plugin that is
// killed leaves no program behind that says things to nobody.
func start(cmd *exec.Cmd) error {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	return cmd.Start()
}

// wait waits for the program's end and kills what it leaves behind in its group.
// That is done before the process is reaped: its number is its group's, and could
// be somebody else's afterwards.
func wait(cmd *exec.Cmd) error {
	for {
		err := unix.Waitid(unix.P_PID, cmd.Process.Pid, nil, unix.WEXITED|unix.WNOWAIT, nil)
		if !errors.Is(err, unix.EINTR) {
			break
		}
	}
	_ = unix.Kill(-cmd.Process.Pid, unix.SIGKILL) // usually there is nobody left
	return cmd.Wait()
}

// ask asks the whole group to end.
func ask(cmd *exec.Cmd) { _ = unix.Kill(-cmd.Process.Pid, unix.SIGTERM) }

// kill kills the whole group.
func kill(cmd *exec.Cmd) { _ = unix.Kill(-cmd.Process.Pid, unix.SIGKILL) }
