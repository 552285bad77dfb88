package hook

import (
	"os"
	"os/exec"
	"sync"
	"unsafe"

	"golang.org/x/sys/windows"
)

// cage is a job object: killing it kills every process in it. Between the
// start of a process and its assignment to the job lies a moment in which a
// child of it would escape.
type cage struct {
	mu  sync.Mutex
	job windows.Handle
}

func newCage(string) *cage {
	job, err := windows.CreateJobObject(nil, nil)
	if err != nil {
		return &cage{} // the process itself is killed then
	}
	return &cage{job: job}
}

func (c *cage) prepare(cmd *exec.Cmd) {
	cmd.SysProcAttr = &windows.SysProcAttr{CreationFlags: windows.CREATE_NEW_PROCESS_GROUP}
}

func (c *cage) started(p *os.Process) {
	if c.job == 0 {
		return
	}
	h, err := windows.OpenProcess(windows.PROCESS_SET_QUOTA|windows.PROCESS_TERMINATE, false, uint32(p.Pid))
	if err != nil {
		return // it has ended already
	}
	defer windows.CloseHandle(h)
	_ = windows.AssignProcessToJobObject(c.job, h)
}

func (c *cage) ended() {}

func (c *cage) giveUp(error) bool { return false }

func (c *cage) kill(p *os.Process) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.job != 0 {
		_ = windows.TerminateJobObject(c.job, 1)
	}
	if p != nil {
		_ = p.Kill()
	}
}

// jobAccounting is JOBOBJECT_BASIC_ACCOUNTING_INFORMATION of winnt.h.
type jobAccounting struct {
	UserTime, KernelTime, PeriodUserTime, PeriodKernelTime      int64
	PageFaults, TotalProcesses, ActiveProcesses, TerminatedOnes uint32
}

// empty says whether no process is left, without waiting.
func (c *cage) empty() bool {
	if c.job == 0 {
		return true
	}
	var info jobAccounting
	err := windows.QueryInformationJobObject(c.job, windows.JobObjectBasicAccountingInformation,
		uintptr(unsafe.Pointer(&info)), uint32(unsafe.Sizeof(info)), nil)
	return err != nil || info.ActiveProcesses == 0
}

func (c *cage) remove() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.job != 0 {
		_ = windows.CloseHandle(c.job) // without kill-on-close: what still runs goes on
		c.job = 0
	}
	return true
}
