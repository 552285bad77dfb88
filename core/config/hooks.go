package config

import (
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"

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

// hooks lists the hooks in bin/ and looks for mistakes in them, in what they
// may require, and in their names.
func (p *parser) hooks(fsys fs.FS) []Hook {
	p.allLua(fsys, "bin")
	p.allLua(fsys, "lua")
	entries, err := fs.ReadDir(fsys, "bin")
	if err != nil {
		return nil // no hooks: a module may have checks only
	}
	var found []Hook
	scripts := map[string]string{}
	for _, e := range entries {
		stem, ext := e.Name(), path.Ext(e.Name())
		stem = strings.TrimSuffix(stem, ext)
		known := slices.Contains(HookNames(), stem)
		switch file := "bin/" + e.Name(); {
		case e.IsDir():
		case ext == ".lua" && known:
			found = append(found, Hook{Name: stem, File: file})
		case ext == ".lua":
			p.strayLua(file, stem)
		case known && slices.Contains([]string{"", ".sh", ".cmd", ".bat", ".ps1", ".vbs", ".exe"}, ext):
			scripts[stem] = file
		}
	}
	p.otherLanguages(found, scripts)
	p.pairs(found)
	return found
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

// strayLua tells of a file that is hardly meant to be what hooks may require,
// because its name is almost that of a hook.
func (p *parser) strayLua(file, stem string) {
	if near := diag.Nearest(stem, HookNames()); near != "" {
		p.hookProblem(diag.Warning, idUnknownHook, file, "there is no hook of this name, so the file will not run by itself").Hint =
			fmt.Sprintf("did you mean bin/%s.lua?", near)
	}
}

// otherLanguages refuses scripts in place of which no Lua hook stands: to leave
// them out in silence would leave the application unstarted.
func (p *parser) otherLanguages(lua []Hook, scripts map[string]string) {
	for _, name := range HookNames() {
		file, ok := scripts[name]
		if !ok || slices.ContainsFunc(lua, func(h Hook) bool { return h.Name == name }) {
			continue
		}
		p.hookProblem(diag.Error, idHookLanguage, file, "hooks in other languages than Lua are not supported yet in this version").Hint =
			fmt.Sprintf("write it as bin/%s.lua", name)
	}
}

// pairs warns of applications that are started but never stopped.
func (p *parser) pairs(hooks []Hook) {
	for _, h := range hooks {
		role, start := strings.CutPrefix(h.Name, "start_")
		if !start || slices.ContainsFunc(hooks, func(o Hook) bool { return o.Name == "stop_"+role }) {
			continue
		}
		p.hookProblem(diag.Warning, idHookPair, h.File, fmt.Sprintf("what this hook starts is never stopped: there is no bin/stop_%s.lua", role))
	}
}

func (p *parser) hookProblem(severity diag.Severity, id, file, message string) *diag.Problem {
	p.problems = append(p.problems, diag.Problem{ID: id, Severity: severity, Message: message, Pos: diag.Position{File: p.options.file(file)}})
	return &p.problems[len(p.problems)-1]
}
