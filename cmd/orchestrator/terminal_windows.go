package main

import (
	"os"

	"golang.org/x/sys/windows"
)

// enableSequences lets the console understand control sequences; old ones
// cannot.
func enableSequences(f *os.File) bool {
	var mode uint32
	if err := windows.GetConsoleMode(windows.Handle(f.Fd()), &mode); err != nil {
		return false
	}
	return windows.SetConsoleMode(windows.Handle(f.Fd()), mode|windows.ENABLE_VIRTUAL_TERMINAL_PROCESSING) == nil
}
