package daemon

import (
	"context"
	"errors"
	"fmt"

	"github.com/orchestrator-ha/orchestrator/core"
)

// reboot restarts the machine, as a module with automatic_reboot asks for in the place
// of a start. Where that cannot be the module is started instead.
func (mod *module) reboot(ctx context.Context, reason string, cause int64) {
	d := mod.m.d
	err := errors.New("nobody has told this daemon how to restart the machine")
	if d.opt.Reboot != nil {
		err = d.opt.Reboot(ctx)
	}
	if err == nil {
		return // the system ends this daemon in good order
	}
	id := d.noteModule(mod.conf.Name, "transition", "error", fmt.Sprintf("The machine was not restarted (%v); %s is started instead.", err, mod.conf.Name), nil, cause)
	mod.runner.Post(core.Event{Kind: core.EventCommand, Verb: core.VerbStart, Identity: "automatic reboot", Reason: reason, Cause: id})
}
