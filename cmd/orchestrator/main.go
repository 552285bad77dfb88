// Command orchestrator makes servers into one highly available service. The
// same program is the daemon on every server, the command line that talks to
// it, the host program of the built-in plugins, and the lab.
package main

import (
	"context"
	"io"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	ends := []os.Signal{os.Interrupt, syscall.SIGTERM}
	if !signal.Ignored(syscall.SIGHUP) { // as nohup does
		ends = append(ends, syscall.SIGHUP)
	}
	ctx, stop := signal.NotifyContext(context.Background(), ends...)
	go func() {
		<-ctx.Done()
		stop() // a second signal ends the program at once
	}()
	e := env{args: os.Args[1:], stdin: os.Stdin, stdout: os.Stdout, stderr: os.Stderr, lookup: os.LookupEnv}
	if name := calledAs(os.Args[0]); name != "" {
		os.Exit(runSafekit(ctx, e, name))
	}
	os.Exit(run(ctx, e))
}

// env is all that the program knows of the world it was started in.
type env struct {
	args           []string
	stdin          io.Reader
	stdout, stderr io.Writer
	lookup         func(name string) (string, bool)
}

func (e env) get(name string) string {
	value, _ := e.lookup(name)
	return value
}

// app is one run of the program.
type app struct {
	env
	home    string // --home
	json    bool   // --json
	started bool   // the command line was understood, and its command called
}

// run runs a command line and answers the exit code. ctx ends with the first
// signal.
func run(ctx context.Context, e env) int {
	a := &app{env: e}
	root := newRoot(a)
	cmd, err := root.ExecuteContextC(ctx)
	return a.end(ctx, cmd, err)
}
