package daemon

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"time"

	"github.com/orchestrator-ha/orchestrator/core"
	"github.com/orchestrator-ha/orchestrator/core/catalog"
	"github.com/orchestrator-ha/orchestrator/core/config"
)

// Hooks around a module's life on a node, while it is stopped: they run here, since the
// state machine knows nothing of that. Of a module that runs it calls postconfig itself.
const (
	hookConfig     = "config"     // its configuration is here
	hookPostconfig = "postconfig" // likewise, after that
	hookDeconfig   = "deconfig"   // it is about to go
)

// configuredTime limits them; nothing is loaded on this node meanwhile.
const configuredTime = time.Minute

func (m *member) configuredFile(module string) string {
	return m.d.path("state", module+".configured")
}

// edited says that the copy of a module that may be edited was made of this version: what
// somebody has changed in it and not applied yet stays.
func (m *member) edited(name string, head catalog.Head) bool {
	was, err := os.ReadFile(m.configuredFile(name))
	if err != nil || string(was) != head.Signature.String() {
		return false
	}
	_, err = os.Stat(m.d.path("modules", name))
	return err == nil
}

// configured calls config and postconfig if this configuration is new on this node, and not just
// its daemon.
func (mod *module) configured() error {
	file, now := mod.m.configuredFile(mod.conf.Name), mod.now.Load().head.Signature.String()
	was, err := os.ReadFile(file)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("read which configuration was here: %w", err)
	}
	if string(was) == now {
		return nil
	}
	for _, name := range []string{hookConfig, hookPostconfig} {
		if err := mod.beside(name); err != nil {
			return err // tried again when the module is loaded again
		}
	}
	return mod.isConfigured()
}

// isConfigured notes that this configuration has had its postconfig.
func (mod *module) isConfigured() error {
	if err := replaceFile(mod.m.configuredFile(mod.conf.Name), []byte(mod.now.Load().head.Signature.String())); err != nil {
		return fmt.Errorf("note which configuration is here: %w", err)
	}
	return nil
}

// beside calls a hook that is not one of the state machine, if the module has it.
func (mod *module) beside(name string) error {
	if !slices.ContainsFunc(mod.config().Hooks, func(h config.Hook) bool { return h.Name == name }) {
		return nil
	}
	ctx, cancel := context.WithTimeout(mod.m.d.ctx, configuredTime)
	defer cancel()
	var ended core.Event
	mod.runHook(ctx, core.HookCall{Name: name, From: core.Stop, To: core.Stop, Verb: core.VerbUpdate, Timeout: min(configuredTime, mod.config().User.StartTimeout)}, 0,
		func(ev core.Event) { ended = ev })
	if !ended.OK {
		return fmt.Errorf("hook %s failed: %s", name, ended.Reason)
	}
	return nil
}
