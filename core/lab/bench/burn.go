package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"time"
)

// roles are what this program is when it calls itself.
var roles = map[string]func(args []string){
	"pgwriter":   pgWriter,
	"burn":       burn,
	"memberlist": memberlistNode,
	"folderload": folderLoad,
}

// burn keeps a processor busy until its standard input ends.
func burn([]string) {
	detach()
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin) // ends with whoever started this
		os.Exit(0)
	}()
	for n := uint64(1); n != 0; n += 2 {
	}
}

// burners starts busy processes, each in a session of its own; the answer ends
// them and waits.
func burners(ctx context.Context, count int) (end func(), err error) {
	self, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("find this program: %w", err)
	}
	ctx, cancel := context.WithCancel(ctx)
	var running []*exec.Cmd
	end = func() {
		cancel()
		for _, cmd := range running {
			_ = cmd.Wait() // it was killed
		}
	}
	for range count {
		cmd := exec.CommandContext(ctx, self, "burn")
		cmd.Env = append(os.Environ(), "GOMAXPROCS=1")
		cmd.WaitDelay = time.Second
		if _, err := cmd.StdinPipe(); err != nil {
			end()
			return nil, fmt.Errorf("start a busy process: %w", err)
		}
		if err := cmd.Start(); err != nil {
			end()
			return nil, fmt.Errorf("start a busy process: %w", err)
		}
		running = append(running, cmd)
	}
	return end, nil
}
