package process

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"
	"unsafe"

	"golang.org/x/sys/windows"
	"golang.org/x/sys/windows/svc"
	"golang.org/x/sys/windows/svc/mgr"
)

// argsKnown says that command lines cannot be read here.
const argsKnown = false

// nameLen is how much of a name is compared.
const nameLen = 63

// win reads process snapshots and asks the service manager.
type win struct{}

func newSystem() system { return win{} }

// matches compares as Windows does, without regard to case.
func (win) matches(shown, asked string) bool {
	cut := func(s string) string { return s[:min(len(s), nameLen)] }
	return strings.EqualFold(cut(shown), cut(asked))
}

func (win) processes(context.Context, time.Duration) ([]proc, error) {
	snapshot, err := windows.CreateToolhelp32Snapshot(windows.TH32CS_SNAPPROCESS, 0)
	if err != nil {
		return nil, err
	}
	defer func() { _ = windows.CloseHandle(snapshot) }()
	entry := windows.ProcessEntry32{Size: uint32(unsafe.Sizeof(windows.ProcessEntry32{}))}
	var list []proc
	for err = windows.Process32First(snapshot, &entry); err == nil; err = windows.Process32Next(snapshot, &entry) {
		list = append(list, proc{
			id: id{pid: int(entry.ProcessID)}, name: strings.ToLower(windows.UTF16ToString(entry.ExeFile[:])),
			here: func() (bool, error) { return true, nil },
		})
	}
	if !errors.Is(err, windows.ERROR_NO_MORE_FILES) {
		return nil, err
	}
	return list, nil
}

// died waits for the handle of the process.
func (win) died(pid int, call func()) (cancel func(), ok bool) {
	h, err := windows.OpenProcess(windows.SYNCHRONIZE, false, uint32(pid))
	if err != nil {
		return nil, false
	}
	quit, err := windows.CreateEvent(nil, 1, 0, nil)
	if err != nil {
		_ = windows.CloseHandle(h)
		return nil, false
	}
	go func() {
		ev, err := windows.WaitForMultipleObjects([]windows.Handle{h, quit}, false, windows.INFINITE)
		_ = windows.CloseHandle(h)
		if err == nil && ev == windows.WAIT_OBJECT_0 {
			call()
			_, _ = windows.WaitForSingleObject(quit, windows.INFINITE) // cancel always comes
		}
		_ = windows.CloseHandle(quit)
	}()
	return func() { _ = windows.SetEvent(quit) }, true
}

// service tells in words why a service does not run; empty if it does.
func (win) service(_ context.Context, name string) (string, error) {
	m, err := mgr.Connect()
	if err != nil {
		return "", err
	}
	defer func() { _ = m.Disconnect() }()
	s, err := m.OpenService(name)
	if errors.Is(err, windows.ERROR_SERVICE_DOES_NOT_EXIST) {
		return "Windows knows no service " + name, nil
	}
	if err != nil {
		return "", err
	}
	defer func() { _ = s.Close() }()
	st, err := s.Query()
	if err != nil {
		return "", err
	}
	if st.State != svc.Running {
		return fmt.Sprintf("its state is %d, running is %d", st.State, svc.Running), nil
	}
	return "", nil
}

// births tells nothing: Windows would tell of them through WMI only, which costs more
// than to look.
func (win) births(func(proc), func()) (func(), error) { return nil, errNoEvents }

func (win) changed(context.Context, string, func()) (func(), error) { return nil, errNoEvents }
