package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/orchestrator-ha/orchestrator/core"
	"github.com/orchestrator-ha/orchestrator/core/config"
	"github.com/orchestrator-ha/orchestrator/core/control"
	"github.com/orchestrator-ha/orchestrator/core/hook"
)

// checkOld looks for mistakes in the copy that may be edited, with the values that
// were set when it was installed, and then has the module look itself: by its hook
// confcheck.
func checkOld(s *safekit, c call) error {
	home, err := s.homeDir()
	if err != nil {
		return err
	}
	from := source{name: c.module(), folder: filepath.Join(home, "modules", c.module())}
	set := s.setOf(c.module())
	if err := s.check(from, set); err != nil {
		return err
	}
	m, _ := config.Parse(os.DirFS(from.folder), from.name, config.Options{Set: set, Env: s.lookup})
	return s.beside(home, from.folder, m, "confcheck")
}

// withHook runs a command and then a hook of the module that runs here, which adds to
// what the command shows.
func withHook(name string, run func(*safekit, call) error) func(*safekit, call) error {
	return func(s *safekit, c call) error {
		err := run(s, c)
		within := s.get("SAFEHOOK") != "" // which may be that hook
		if err != nil || c.module() == "" || c.remote || within || name == "state" && !c.has["-v"] {
			return err
		}
		home, err := s.homeDir()
		if err != nil {
			return err
		}
		folder := filepath.Join(home, "active", c.module())
		m, _ := config.Parse(os.DirFS(folder), c.module(), config.Options{Set: s.setOf(c.module()), Env: s.lookup})
		return s.beside(home, folder, m, name)
	}
}

// beside runs a hook that is not one of the state machine, if the module has it.
func (s *safekit) beside(home, folder string, m *config.Module, name string) error {
	if m == nil || !slices.ContainsFunc(m.Hooks, func(h config.Hook) bool { return h.Name == name }) {
		return nil
	}
	program, err := os.Executable()
	if err != nil {
		return fmt.Errorf("find this program: %w", err)
	}
	run := hook.Run{
		Module: m.Name, Dir: folder, Vars: m.User.Vars, Program: program, Output: s.stdout,
		Args: core.HookCall{Name: name, From: core.Stop, To: core.Stop, Verb: core.VerbUpdate, Timeout: min(time.Minute, m.User.StartTimeout)},
	}
	if r := hook.New(hook.Options{Home: home, Tools: filepath.Join(home, "bin")}).Run(s.ctx, run); !r.OK {
		return fmt.Errorf("hook %s failed: %s", name, r.Reason)
	}
	return nil
}

// setOf are the values that were set for a module; none if nobody can say.
func (s *safekit) setOf(module string) map[string]string {
	list := []control.ModuleInfo{}
	client, err := s.client()
	if err == nil {
		err = client.Get(s.ctx, "/v1/modules", &list)
	}
	for _, m := range list {
		if err == nil && m.Name == module {
			return m.Set
		}
	}
	return map[string]string{}
}
