package config

import (
	"fmt"
	"io/fs"

	"github.com/orchestrator-ha/orchestrator/core/diag"
)

// rfs reads <rfs>.
func (p *parser) rfs(n *node) *Rfs {
	if n == nil {
		return nil
	}
	v := n.values
	r := &Rfs{
		ACL: v["acl"].text == "on", Async: v["async"].text, LockTimeout: v["locktimeout"].span, SendTimeout: v["sendtimeout"].span,
		SyncThreads: int(v["nbrei"].number), SyncTimeout: v["reitimeout"].span, SyncLimit: int(v["reiallowedbw"].number),
		SyncDetail: v["reidetail"].text == "on", SyncDelta: v["syncdelta"].span, SyncAt: v["syncat"].times, VerifyAt: v["verifyat"].times, Scripts: v["scripts"].text == "on",
		Suffix: v["mountoversuffix"].text, Options: v["nfsbox_options"].text, Pos: p.position(n.at),
	}
	if r.Scripts {
		p.callback(v["scripts"])
	}
	if flow := n.one("flow"); flow != nil {
		if lan, ok := p.lan(flow, "server"); ok {
			r.Flow = &lan
		}
	}
	seen := folders{}
	for _, f := range n.all("replicated") {
		if folder, ok := p.folder(f, seen); ok {
			r.Folders = append(r.Folders, folder)
		}
	}
	return r
}

// callback makes sure that there is what scripts="on" calls.
func (p *parser) callback(scripts value) {
	for _, end := range append(hookEnds("linux"), hookEnds("windows")...) {
		if _, err := fs.Stat(p.files, "bin/_rfs_callback"+end); err == nil {
			return
		}
	}
	one := p.valueProblem(idProgram, scripts, "there is no bin/_rfs_callback that could be called")
	one.Severity, one.Hint = diag.Warning, "add one, or leave scripts out"
}

func (p *parser) folder(n *node, seen folders) (Folder, bool) {
	dir := n.values["dir"]
	if !dir.ok {
		return Folder{}, false
	}
	f := Folder{Dir: dir.text, WriteBack: n.values["writeback"].text == "on", Pos: p.position(dir.at)}
	if o, clash := seen.add(f); clash {
		p.valueProblem(idFolder, dir, fmt.Sprintf("%s is replicated already with %s", short(f.Dir), short(o.Dir))).Related =
			[]diag.Related{{Message: "there", Pos: o.Pos, Source: p.src.Line(o.Pos.Line)}}
		return Folder{}, false
	}
	for _, c := range n.all("tocheck") {
		if c.values["path"].ok {
			f.MustHave = append(f.MustHave, c.values["path"].text)
		}
	}
	for _, e := range n.all("notreplicated") {
		p.except(e, &f)
	}
	return f, true
}

// except reads what is left out of a folder.
func (p *parser) except(n *node, f *Folder) {
	path, pattern := n.values["path"], n.values["regexpath"]
	switch {
	case path.set == pattern.set:
		p.errorf(idMissingAttribute, n.at, "<notreplicated> needs either \"path\" or \"regexpath\"")
	case path.ok:
		f.Except = append(f.Except, path.text)
	case pattern.ok:
		x := Pattern{Regex: pattern.text}
		if x.Regex != "" && x.Regex[0] == '!' {
			x = Pattern{Regex: x.Regex[1:], Not: true}
		}
		f.Patterns = append(f.Patterns, x)
	}
}

// folderConflicts compares the folders of two modules: a folder can belong to one
// only.
func folderConflicts(m, other *Module) diag.Problems {
	if m.Rfs == nil || other.Rfs == nil {
		return nil
	}
	seen := folders{}
	for _, b := range other.Rfs.Folders {
		seen.add(b)
	}
	var out diag.Problems
	for _, a := range m.Rfs.Folders {
		if b, clash := seen.find(a.Dir); clash {
			out = append(out, diag.Problem{ID: idFolder, Severity: diag.Error, Pos: a.Pos,
				Message: fmt.Sprintf("%s is replicated by module %s already, with %s", a.Dir, other.Name, b.Dir),
				Hint:    "give each module folders of its own",
				Related: []diag.Related{{Message: "it is given there", Pos: b.Pos}}})
		}
	}
	return out
}
