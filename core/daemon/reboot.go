package daemon

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// rebootTime is how long the order to restart the machine may take.
const rebootTime = time.Minute

// reboot restarts the machine. What starts the module then is its boot; where the
// machine cannot be restarted it stays stopped, for somebody to look at.
func (mod *module) reboot(reason string, cause int64) {
	d := mod.m.d
	ctx, cancel := context.WithTimeout(d.ctx, rebootTime)
	defer cancel()
	err := errors.New("this daemon was not told how")
	if d.opt.Reboot != nil {
		err = d.opt.Reboot(ctx)
	}
	if err != nil {
		d.log.Error("restart the machine", "module", mod.conf.Name, "error", err)
		d.noteModule(mod.conf.Name, "transition", "error", fmt.Sprintf("The machine could not be restarted, so %s stays stopped: %v.", mod.conf.Name, err), map[string]any{"reason": reason}, cause)
	}
}
