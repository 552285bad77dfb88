package main

import (
	"errors"
	"fmt"
	"path/filepath"
	"runtime"

	"github.com/orchestrator-ha/orchestrator/core/control"
)

// envHome names the variable with a node's directory.
const envHome = "ORCHESTRATOR_HOME"

// defaultHome is where a node keeps everything unless told otherwise.
func defaultHome(e env) string {
	if runtime.GOOS != "windows" {
		return "/var/lib/orchestrator"
	}
	data := e.get("ProgramData")
	if data == "" {
		data = `C:\ProgramData`
	}
	return filepath.Join(data, "orchestrator")
}

// homeDir is the node's directory, absolute: --home, or the environment, or the
// default.
func (a *app) homeDir() (string, error) {
	home := a.home
	if home == "" {
		home = a.get(envHome)
	}
	if home == "" {
		home = defaultHome(a.env)
	}
	home, err := filepath.Abs(home)
	if err != nil {
		return "", fmt.Errorf("find the node's directory: %w", err)
	}
	return home, nil
}

// client speaks to this node's daemon.
func (a *app) client() (*control.Client, error) {
	home, err := a.homeDir()
	if err != nil {
		return nil, err
	}
	return control.NewClient(socketOf(home)), nil
}

// noDaemon says whether nobody listens on the socket.
func noDaemon(err error) bool { return errors.Is(err, control.ErrNoDaemon) }
