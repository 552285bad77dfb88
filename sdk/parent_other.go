//go:build !linux && !windows

package sdk

import (
	"os"
	"time"
)

// exitWithParent ends this process soon after the one that started it is gone, after last:
// an orphan gets another parent.
func exitWithParent(last func()) error {
	parent := os.Getppid()
	go func() {
		for range time.Tick(time.Second) {
			if os.Getppid() != parent {
				last()
				removeSocketDir()
				os.Exit(0)
			}
		}
	}()
	return nil
}

func nameProcess() {}
