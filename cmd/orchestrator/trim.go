package main

import (
	"log/slog"
	"time"
)

// settled is when a process that runs for long has done what only its start needs.
const settled = 20 * time.Second

// trimLater gives back what of the program only the start needed: two thirds of its pages.
func trimLater(log *slog.Logger) {
	time.AfterFunc(settled, func() {
		if err := trim(); err != nil {
			log.Debug("the pages that the start needed stay", "error", err)
		}
	})
}
