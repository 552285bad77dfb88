package main

import (
	"errors"
	"fmt"
	"os"
)

// ownMachine fails where the machine is not this daemon's to restart: it lives in a
// network namespace other than that of process 1, as the nodes of a lab do.
func ownMachine() error {
	own, err := os.Stat("/proc/self/ns/net")
	if err != nil {
		return fmt.Errorf("find out whose machine this is: %w", err)
	}
	first, err := os.Stat("/proc/1/ns/net")
	if err != nil {
		return fmt.Errorf("find out whose machine this is: %w", err)
	}
	if !os.SameFile(own, first) {
		return errors.New("this node is only a network namespace, as in a lab")
	}
	return nil
}
