//go:build !linux

package main

import (
	"errors"
	"os/exec"
)

// killWhole leaves it at the command itself: what a hook runs is in a job object
// that ends its children.
func killWhole(*exec.Cmd) {}

func killOld(*safekit, call) error {
	return errors.New("kill by name is not there on this system: use taskkill /im NAME /f")
}
