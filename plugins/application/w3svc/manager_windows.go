package w3svc

import (
	"errors"
	"fmt"

	"golang.org/x/sys/windows"
	"golang.org/x/sys/windows/svc"
	"golang.org/x/sys/windows/svc/mgr"
)

func unavailable() string { return "" }

// scm is the service manager of this machine. Each call connects anew: calls
// are rare and a connection that is kept can break.
type scm struct{}

func newManager() manager { return scm{} }

// with opens a service for the time of a call.
func with(service string, f func(*mgr.Service) error) error {
	m, err := mgr.Connect()
	if err != nil {
		return fmt.Errorf("connect to the service manager: %w", err)
	}
	defer func() { _ = m.Disconnect() }()
	s, err := m.OpenService(service)
	if errors.Is(err, windows.ERROR_SERVICE_DOES_NOT_EXIST) {
		return fmt.Errorf("there is no service %s on this node; if it is W3SVC, install IIS", service)
	}
	if err != nil {
		return fmt.Errorf("open: %w", err)
	}
	defer func() { _ = s.Close() }()
	return f(s)
}

func (scm) query(service string) (status, error) {
	var out status
	err := with(service, func(s *mgr.Service) error {
		st, err := s.Query()
		if err != nil {
			return fmt.Errorf("query: %w", err)
		}
		out = status{phase: other, word: word(st.State), exit: st.Win32ExitCode}
		switch st.State {
		case svc.Running:
			out.phase = running
		case svc.Stopped:
			out.phase = stopped
		}
		if errors.Is(windows.Errno(out.exit), windows.ERROR_SERVICE_NEVER_STARTED) {
			out.exit = 0
		}
		return nil
	})
	return out, err
}

func word(s svc.State) string {
	names := map[svc.State]string{
		svc.Stopped: "stopped", svc.StartPending: "start-pending", svc.StopPending: "stop-pending", svc.Running: "running",
		svc.ContinuePending: "continue-pending", svc.PausePending: "pause-pending", svc.Paused: "paused",
	}
	if n := names[s]; n != "" {
		return n
	}
	return fmt.Sprintf("in state %d", s)
}

func (scm) start(service string) error {
	return with(service, func(s *mgr.Service) error {
		if err := s.Start(); err != nil && !errors.Is(err, windows.ERROR_SERVICE_ALREADY_RUNNING) {
			return err
		}
		return nil
	})
}

// stop asks; a service that is just starting takes no stop and is asked again.
func (scm) stop(service string) error {
	return with(service, func(s *mgr.Service) error {
		_, err := s.Control(svc.Stop)
		if err != nil && !errors.Is(err, windows.ERROR_SERVICE_NOT_ACTIVE) && !errors.Is(err, windows.ERROR_SERVICE_CANNOT_ACCEPT_CTRL) {
			return err
		}
		return nil
	})
}

func (scm) dependents(service string) ([]string, error) {
	var names []string
	err := with(service, func(s *mgr.Service) error {
		var err error
		names, err = s.ListDependentServices(svc.Active)
		return err
	})
	return names, err
}

func (scm) kill(service string) error {
	return with(service, func(s *mgr.Service) error {
		st, err := s.Query()
		if err != nil || st.ProcessId == 0 {
			return err
		}
		h, err := windows.OpenProcess(windows.PROCESS_TERMINATE, false, st.ProcessId)
		if err != nil {
			return fmt.Errorf("open process %d: %w", st.ProcessId, err)
		}
		defer func() { _ = windows.CloseHandle(h) }()
		return windows.TerminateProcess(h, 1)
	})
}
