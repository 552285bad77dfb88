package hostname

import (
	"fmt"
	"os/exec"
	"runtime"

	"golang.org/x/sys/unix"
)

// Start starts a command, as its Start does, in a UTS namespace of its own
// (uts_namespaces(7)) in which the host has the given name. The name holds for the
// program and all that it starts, for gethostname(2) and uname(2), whatever language
// they are written in; the machine's own does not change. An empty name starts the
// command as it is. It takes CAP_SYS_ADMIN.
//
// The thread that forks enters the namespace, and leaves it afterwards: so the program
// is the caller's child with the process group, control group and files that cmd says,
// without another program in between.
func Start(cmd *exec.Cmd, name string) error {
	if name == "" {
		return cmd.Start()
	}
	ended := make(chan error, 1)
	go func() { ended <- start(cmd, name) }()
	return <-ended
}

// start runs in a goroutine of its own: if its thread cannot leave the namespace, it ends
// with the goroutine.
func start(cmd *exec.Cmd, name string) error {
	runtime.LockOSThread()
	own, err := unix.Open("/proc/thread-self/ns/uts", unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		runtime.UnlockOSThread()
		return refused(name, err)
	}
	defer func() { _ = unix.Close(own) }()
	if err := unix.Unshare(unix.CLONE_NEWUTS); err != nil {
		runtime.UnlockOSThread()
		return refused(name, err)
	}
	defer func() {
		if unix.Setns(own, unix.CLONE_NEWUTS) == nil {
			runtime.UnlockOSThread()
		}
	}()
	if err := unix.Sethostname([]byte(name)); err != nil {
		return refused(name, err)
	}
	return cmd.Start()
}

// refused hides the system's error from errors.Is: it says nothing about the program.
func refused(name string, err error) error {
	return fmt.Errorf("the program cannot be given the host name %s in a UTS namespace: %v", name, err)
}
