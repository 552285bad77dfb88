package config

import (
	"bytes"
	"cmp"
	"fmt"
	"io/fs"
	"path"
	"runtime"
	"slices"
	"strings"

	"github.com/orchestrator-ha/orchestrator/core"
	"github.com/orchestrator-ha/orchestrator/core/diag"
)

// HookNames are the names that hooks can have, without .lua.
func HookNames() []string {
	return []string{
		"prestart", "poststop", "start_both", "stop_both", "start_prim", "stop_prim",
		"start_second", "stop_second", "start_sec", "stop_sec", "transition", "update",
		"config", "postconfig", "deconfig", "confcheck", "state", "level",
	}
}

// called are the hooks that something calls in a mode: the state machine, or a command.
func called(mode core.Mode) []string {
	names := []string{"prestart", "poststop", "start_both", "stop_both", "start_prim", "stop_prim", "start_sec", "stop_sec", "transition", "update", "config", "postconfig", "deconfig", "confcheck", "state", "level"}
	if mode == core.Mirror {
		names = append(names, "start_second", "stop_second")
	}
	return names
}

// hookEnds are how the names of hook files end, by the system that runs them, in
// the order in which core/hook looks for them.
func hookEnds(system string) []string {
	if system == "windows" {
		return []string{".lua", ".exe", ".cmd", ".bat", ".ps1", ".vbs"}
	}
	return []string{".lua", "", ".sh"}
}

// system is where the module is to run.
func (o Options) system() string { return cmp.Or(o.System, runtime.GOOS) }

// hooks lists the hooks in bin/ and looks for mistakes in them, in what they
// may require, and in their names.
func (p *parser) hooks(fsys fs.FS) []Hook {
	p.allLua(fsys, "bin")
	p.allLua(fsys, "lua")
	entries, err := fs.ReadDir(fsys, "bin")
	if err != nil {
		return nil // no hooks: a module may have checks only
	}
	files := map[string]bool{}
	for _, e := range entries {
		if !e.IsDir() {
			files[e.Name()] = true
			p.stray(e.Name())
		}
	}
	var found []Hook
	for _, name := range slices.Sorted(slices.Values(HookNames())) {
		if file := p.hookFile(name, files); file != "" {
			p.runnable(fsys, file)
			found = append(found, Hook{Name: name, File: file})
		}
	}
	p.pairs(found)
	return found
}

// hookFile is the file that will run as the hook, empty if none will. A hook
// that has files of which none will run is reported: to leave it out in
// silence would leave the application unstarted.
func (p *parser) hookFile(name string, files map[string]bool) string {
	for _, end := range hookEnds(p.options.system()) {
		if files[name+end] {
			return "bin/" + name + end
		}
	}
	other := "windows"
	if p.options.system() == other {
		other = "linux"
	}
	for _, end := range hookEnds(other) {
		if files[name+end] {
			p.hookProblem(diag.Warning, idHookSystem, "bin/"+name+end,
				fmt.Sprintf("this hook runs on %s only; on %s the module has no %s", other, p.options.system(), name)).Hint =
				fmt.Sprintf("bin/%s.lua runs everywhere", name)
			return ""
		}
	}
	for _, end := range []string{".js", ".py", ".pl", ".rb", ".bash", ".ksh", ".zsh"} {
		if !files[name+end] {
			continue
		}
		hint := fmt.Sprintf("write it as bin/%[1]s.lua; or name it bin/%[1]s, with #! and its interpreter in the first line", name)
		if end == ".js" {
			hint = fmt.Sprintf("write it as bin/%[1]s.lua; or call it from bin/%[1]s.cmd: cscript //nologo \"%%SAFEUSERBIN%%\\%[1]s%[2]s\"", name, end)
		}
		p.hookProblem(diag.Error, idHookKind, "bin/"+name+end, "no system runs a hook of this kind").Hint = hint
		break
	}
	return ""
}

// runnable looks for what keeps a program from being run at all.
func (p *parser) runnable(fsys fs.FS, file string) {
	kind := path.Ext(file)
	if kind != "" && kind != ".sh" {
		return
	}
	source, err := fs.ReadFile(fsys, file)
	if err != nil {
		p.hookProblem(diag.Error, idMissingFile, file, "the file cannot be read: "+err.Error())
		return
	}
	first, _, _ := bytes.Cut(source, []byte("\n"))
	script := bytes.HasPrefix(first, []byte("#!"))
	switch {
	case bytes.HasPrefix(source, []byte("\x7fELF")):
	case kind == "" && !script:
		p.hookProblem(diag.Error, idHookRunnable, file, "the system cannot run this file: it is no program and has no #! in its first line").Hint =
			"begin it with #!/bin/sh"
	case bytes.Contains(source, []byte("\r\n")):
		p.hookProblem(diag.Error, idHookRunnable, file, "the lines end as on Windows; shells take the carriage return for a part of each command").Hint =
			"save the file with Unix line endings"
	}
}

// allLua checks every Lua file in a folder.
func (p *parser) allLua(fsys fs.FS, dir string) {
	if p.options.CheckHook == nil {
		return
	}
	_ = fs.WalkDir(fsys, dir, func(file string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || path.Ext(file) != ".lua" {
			return nil // a folder that is not there holds no mistakes
		}
		source, err := fs.ReadFile(fsys, file)
		if err != nil {
			p.hookProblem(diag.Error, idMissingFile, file, "the file cannot be read: "+err.Error())
			return nil
		}
		p.problems = append(p.problems, p.options.CheckHook(p.options.file(file), source)...)
		return nil
	})
}

// stray tells of a file that is hardly meant to be what hooks may require or
// run, because its name is almost that of a hook.
func (p *parser) stray(file string) {
	end := path.Ext(file)
	stem := strings.TrimSuffix(file, end)
	if slices.Contains(HookNames(), stem) || !slices.Contains(hookEnds("linux"), end) && !slices.Contains(hookEnds("windows"), end) {
		return
	}
	if near := diag.Nearest(stem, HookNames()); near != "" {
		p.hookProblem(diag.Warning, idUnknownHook, "bin/"+file, "there is no hook of this name, so the file will not run by itself").Hint =
			fmt.Sprintf("did you mean bin/%s%s?", near, end)
	}
}

// pairs warns of applications that are started but never stopped.
func (p *parser) pairs(hooks []Hook) {
	for _, h := range hooks {
		role, start := strings.CutPrefix(h.Name, "start_")
		if !start || slices.ContainsFunc(hooks, func(o Hook) bool { return o.Name == "stop_"+role }) {
			continue
		}
		p.hookProblem(diag.Warning, idHookPair, h.File, fmt.Sprintf("what this hook starts is never stopped: there is no bin/stop_%s%s", role, path.Ext(h.File)))
	}
}

// uncalled tells of hooks that nothing calls in this mode.
func (p *parser) uncalled(hooks []Hook) {
	if p.mode == "" {
		return
	}
	for _, h := range hooks {
		if slices.Contains(called(p.mode), h.Name) {
			continue
		}
		p.hookProblem(diag.Warning, idHookUncalled, h.File, fmt.Sprintf("nothing calls the hook %s in mode %s", h.Name, p.mode)).Hint =
			"the hooks that are called are " + strings.Join(called(p.mode), ", ")
	}
}

func (p *parser) hookProblem(severity diag.Severity, id, file, message string) *diag.Problem {
	p.problems = append(p.problems, diag.Problem{ID: id, Severity: severity, Message: message, Pos: diag.Position{File: p.options.file(file)}})
	return &p.problems[len(p.problems)-1]
}
