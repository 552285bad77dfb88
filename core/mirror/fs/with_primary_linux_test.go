package fs

import "github.com/orchestrator-ha/orchestrator/core/mirror/primary"

// What joins the parts on a primary is what this package needs.
var _ Recorder = (*primary.Recorder)(nil)
