package main

import (
	"archive/zip"
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/orchestrator-ha/orchestrator/core/control"
)

// The test binary plays the program in the scripts.
func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"orchestrator": main, "safekit": main, "boundcmd": main, "gencron": main, "xpathGet": main})
}

// TestScripts runs command lines against the program, and against a daemon that
// is played by fakeNode.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata",
		UpdateScripts:       os.Getenv("UPDATE") != "",
		RequireExplicitExec: true,
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"fake-daemon": startFake, "await-socket": awaitSocket, "exits": exits, "unzipped": unzipped,
		},
		Condition: func(cond string) (bool, error) {
			if cond != "root" {
				return false, fmt.Errorf("unknown condition %q", cond)
			}
			return os.Geteuid() == 0, nil
		},
		Setup: func(e *testscript.Env) error {
			e.Setenv("ORCHESTRATOR_HOME", filepath.Join(e.WorkDir, "home"))
			e.Setenv("TZ", "UTC")
			e.Setenv("NO_COLOR", "1")
			return os.Mkdir(filepath.Join(e.WorkDir, "home"), 0o700)
		},
	})
}

// startFake is the script's command fake-daemon: from then on, fakeNode answers
// in the script's home directory.
func startFake(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) > 0 {
		ts.Fatalf("usage: fake-daemon")
	}
	l, err := net.Listen("unix", socketOf(ts.Getenv("ORCHESTRATOR_HOME")))
	ts.Check(err)
	n := &fakeNode{asked: filepath.Join(ts.Getenv("WORK"), "asked")}
	server := &http.Server{Handler: control.Handler(control.Backend{Cluster: n, Modules: n, Views: n, Metrics: n, Nodes: n, Console: n, Sessions: control.NewSessions(func() string { return "" })}, control.Local, slog.New(slog.DiscardHandler))}
	served := make(chan struct{})
	go func() {
		defer close(served)
		_ = server.Serve(l) // it always ends with an error
	}()
	ts.Defer(func() {
		if err := server.Close(); err != nil {
			ts.Logf("close the fake daemon: %v", err)
		}
		<-served
	})
}

// awaitSocket is the script's command await-socket: it returns when a daemon
// answers.
func awaitSocket(ts *testscript.TestScript, neg bool, _ []string) {
	if neg {
		ts.Fatalf("await-socket cannot be negated")
	}
	socket := socketOf(ts.Getenv("ORCHESTRATOR_HOME"))
	for end := time.Now().Add(time.Minute); ; {
		conn, err := net.Dial("unix", socket)
		if err == nil {
			ts.Check(conn.Close())
			return
		}
		if time.Now().After(end) {
			ts.Fatalf("no daemon answers: %v", err)
		}
		<-time.After(10 * time.Millisecond)
	}
}

// exits is the script's command that runs a program which must end with a code:
// exits CODE PROGRAM…
func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits CODE PROGRAM ARGUMENT…")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	got := 0
	var exit *exec.ExitError
	if err := ts.Exec(args[1], args[2:]...); errors.As(err, &exit) {
		got = exit.ExitCode()
	} else {
		ts.Check(err)
	}
	if got != want {
		ts.Fatalf("exit code %d, not %d", got, want)
	}
}

// unzipped is the script's command that writes the names and contents of an archive's
// files into one text: unzipped NAME.zip makes NAME.txt.
func unzipped(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: unzipped NAME.zip")
	}
	path := ts.MkAbs(args[0])
	z, err := zip.OpenReader(path)
	ts.Check(err)
	defer z.Close() //nolint:errcheck // it is only read
	var text bytes.Buffer
	for _, f := range z.File {
		fmt.Fprintln(&text, f.Name)
		r, err := f.Open()
		ts.Check(err)
		_, err = text.ReadFrom(r)
		ts.Check(errors.Join(err, r.Close()))
	}
	ts.Check(os.WriteFile(strings.TrimSuffix(path, ".zip")+".txt", text.Bytes(), 0o600))
}
