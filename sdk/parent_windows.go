package sdk

import (
	"fmt"
	"os"

	"golang.org/x/sys/windows"
)

// exitWithParent ends this process as soon as the one that started it is gone, after last:
// the handle of a process is signalled when it ends.
func exitWithParent(last func()) error {
	parent := os.Getppid()
	h, err := windows.OpenProcess(windows.SYNCHRONIZE, false, uint32(parent))
	if err != nil {
		return fmt.Errorf("open parent process %d: %w", parent, err)
	}
	go func() {
		if ev, err := windows.WaitForSingleObject(h, windows.INFINITE); err == nil && ev == windows.WAIT_OBJECT_0 {
			last()
			removeSocketDir()
			os.Exit(0)
		}
	}()
	return nil
}

func nameProcess() {}
