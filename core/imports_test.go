package core_test

import (
	"encoding/json"
	"errors"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const modulePath = "github.com/orchestrator-ha/orchestrator"

// planned names packages that rules speak of and that are still to be written.
// It is to be empty.
var planned = []string{}

// rule says that packages which match from, but none of except, import nothing
// that matches one of forbid, but none of allow. A pattern is a path, and all
// below it with "/..." at its end; paths of this module are relative to it. "self/..."
// is the importing package's own folder: for core/x/y core/x, for
// plugins/kind/y itself.
type rule struct {
	from   string
	except []string
	forbid []string
	allow  []string
	why    string
}

// The rules of docs/architecture.md, "Who may import whom".
var rules = []rule{
	{from: "core", forbid: []string{"outside", "ours"},
		why: "core is the vocabulary: the standard library only (1)"},
	{from: "core/share", forbid: []string{"outside", "ours"}, allow: []string{"core"},
		why: "core/share is pure: the standard library only (1)"},
	{from: "core/mirror", forbid: []string{"outside", "ours"}, allow: []string{"core"},
		why: "core/mirror is pure: the standard library only (1)"},
	{from: "core", forbid: []string{"net", "net/...", "os", "os/...", "log", "log/...", "io/fs", "syscall"}, allow: []string{"net/netip"},
		why: "the state machine reaches nothing outside (1)"},
	{from: "core/share", forbid: []string{"net", "net/...", "os", "os/...", "log", "log/...", "io/fs", "syscall"}, allow: []string{"net/netip"},
		why: "decisions about shares reach nothing outside (1)"},
	{from: "core/rules", forbid: []string{"outside", "ours"}, allow: []string{"core", "core/diag"},
		why: "core/rules is pure: the standard library only (1)"},
	{from: "core/rules", forbid: []string{"net", "net/...", "os", "os/...", "log", "log/...", "io/fs", "syscall"}, allow: []string{"net/netip"},
		why: "rules are evaluated without reaching outside (1)"},
	{from: "core/mirror", forbid: []string{"net", "net/...", "os", "os/...", "log", "log/...", "io/fs", "syscall"}, allow: []string{"net/netip"},
		why: "decisions about copies reach nothing outside (1)"},
	{from: "core/mirror/exclude", forbid: []string{"outside", "ours", "net", "net/...", "os", "os/...", "log", "log/...", "io/fs", "syscall"},
		why: "core/mirror/exclude is pure: file system and resynchronisation must say the same"},
	{from: "core/diag", forbid: []string{"outside", "ours"},
		why: "core/diag is a leaf"},
	{from: "core/inbox", forbid: []string{"outside", "ours"},
		why: "core/inbox is a leaf"},
	{from: "core/...", except: []string{"core/daemon/...", "core/lab/...", "core/simtest"}, forbid: []string{"ours"},
		allow: []string{"core", "core/diag", "core/inbox", "core/share", "self/...", "sdk/...", "lua"},
		why:   "adapters do not know each other: declare an interface, core/daemon satisfies it (2)"},
	{from: "core/...", except: []string{"core/pluginhost", "core/check", "core/daemon/..."}, forbid: []string{"sdk/..."}, allow: []string{"sdk/hostname", "sdk/proc"},
		why: "only those who speak to plugins know the SDK (2)"},
	{from: "core/...", except: []string{"core/hook", "core/daemon/..."}, forbid: []string{"lua"},
		why: "only core/hook runs Lua (2)"},
	{from: "core/simtest", forbid: []string{"ours"}, allow: []string{"core", "core/share"},
		why: "simulations run the pure parts only"},
	{from: "...", except: []string{"core/simtest"}, forbid: []string{"core/simtest", "sdk/sdktest", "core/mirror/loopdisk"},
		why: "what is for tests is imported by tests only"},
	{from: "sdk/...", forbid: []string{"ours"}, allow: []string{"sdk/..."},
		why: "the SDK is a leaf: plugin authors must not depend on us (3)"},
	{from: "plugins/...", forbid: []string{"ours"}, allow: []string{"sdk", "sdk/hostname", "sdk/proc", "core/share", "self/..."},
		why: "plugins know the SDK, and core/share where both must compute the same (3)"},
	{from: "lua", forbid: []string{"outside", "ours"}, why: "lua holds data"},
	{from: "modules", forbid: []string{"outside", "ours"}, why: "modules holds data"},
	{from: "...", except: []string{"cmd/...", "core/daemon/..."}, forbid: []string{"core/daemon/..."},
		why: "only cmd imports core/daemon (4)"},
	{from: "...", except: []string{"cmd/...", "core/lab/..."}, forbid: []string{"core/lab/..."},
		why: "only cmd imports core/lab (4)"},
	{from: "...", except: []string{"cmd/..."}, forbid: []string{"cmd/..."}, why: "nobody imports cmd (4)"},

	{from: "...", except: []string{"core/cluster", "core/lab/bench"}, forbid: []string{"github.com/hashicorp/memberlist/..."}, why: "one door: memberlist; the benchmark measures it beside ours (5)"},
	{from: "...", except: []string{"core/vip", "core/lab/..."}, forbid: []string{"github.com/vishvananda/netlink/..."}, why: "one door: netlink (5)"},
	{from: "...", except: []string{"plugins/filter/ebpf"}, forbid: []string{"github.com/cilium/ebpf/..."}, why: "one door: cilium/ebpf (5)"},
	{from: "...", except: []string{"core/hook"}, forbid: []string{"github.com/yuin/gopher-lua/..."}, why: "one door: gopher-lua (5)"},
	{from: "...", except: []string{"sdk", "sdk/sdktest", "core/pluginhost"}, forbid: []string{"github.com/hashicorp/go-plugin/..."}, why: "two doors: go-plugin (5)"},
	{from: "...", except: []string{"core/mirror/fs"}, forbid: []string{"github.com/hanwen/go-fuse/..."}, why: "one door: go-fuse (5)"},
	{from: "...", except: []string{"core/journal"}, forbid: []string{"modernc.org/sqlite/..."}, why: "one door: SQLite (5)"},
	{from: "...", except: []string{"core/metrics"}, forbid: []string{"github.com/prometheus/client_golang/..."}, why: "one door: the Prometheus client (5)"},
	{from: "...", except: []string{"cmd/..."}, forbid: []string{"github.com/spf13/cobra/..."}, why: "one door: cobra (5)"},
	{from: "...", except: []string{"cmd/..."}, forbid: []string{"github.com/antchfx/xmlquery/...", "github.com/antchfx/xpath/..."}, why: "one door: xmlquery (5)"},
	{from: "...", except: []string{"plugins/checker/sql"}, forbid: []string{"github.com/jackc/pgx/v5/...", "github.com/go-sql-driver/mysql/...", "github.com/microsoft/go-mssqldb/..."},
		why: "one door: drivers of databases (5)"},
	{from: "...", except: []string{"cmd/orchestrator-checker-sql"}, forbid: []string{"plugins/checker/sql"},
		why: "what is large is a program of its own, and the main one stays small (5)"},
}

// refusedNames say nothing of what a package is for.
var refusedNames = []string{"util", "utils", "common", "helper", "helpers", "types", "base", "manager"}

// listed is a package as `go list` tells of it, its path relative to the module.
type listed struct {
	path    string
	imports []string // ours are relative, too
}

func TestImports(t *testing.T) {
	packages := list(t)
	for _, r := range rules {
		matched := 0
		for _, p := range packages {
			if !matches(r.from, p.path, "") || matchesAny(r.except, p.path, "") {
				continue
			}
			matched++
			for _, imported := range p.imports {
				if matchesAny(r.forbid, imported, p.path) && !matchesAny(r.allow, imported, p.path) {
					t.Errorf("%s imports %s: %s", p.path, imported, r.why)
				}
			}
		}
		if name := strings.TrimSuffix(r.from, "/..."); matched == 0 && !slices.Contains(planned, name) {
			t.Errorf("the rule for %s speaks of no package (%s)", r.from, r.why)
		}
	}
}

// A rule about a package that was renamed would hold for ever.
func TestRulesNameExistingPackages(t *testing.T) {
	packages := list(t)
	exists := func(name string) bool {
		return slices.ContainsFunc(packages, func(p listed) bool { return p.path == name || strings.HasPrefix(p.path, name+"/") })
	}
	imported := func(name string) bool {
		return slices.ContainsFunc(packages, func(p listed) bool {
			return slices.ContainsFunc(p.imports, func(i string) bool { return matches(name+"/...", i, "") })
		})
	}
	for _, r := range rules {
		for _, pattern := range slices.Concat([]string{r.from}, r.except, r.forbid, r.allow) {
			name := strings.TrimSuffix(pattern, "/...")
			switch {
			case slices.Contains([]string{"...", "ours", "outside", "self"}, name), isStandard(name), slices.Contains(planned, name):
			case strings.Contains(name, "."):
				if !imported(name) && !slices.ContainsFunc(r.except, func(p string) bool { return slices.Contains(planned, strings.TrimSuffix(p, "/...")) || p == "cmd/..." }) {
					t.Errorf("a rule names %s, which nothing imports (%s)", name, r.why)
				}
			case !exists(name):
				t.Errorf("a rule names %s, which does not exist (%s)", name, r.why)
			}
		}
	}
	for _, name := range planned {
		if exists(name) {
			t.Logf("%s exists now: take it off the list of planned packages", name)
		}
	}
}

func TestPackageNames(t *testing.T) {
	for _, p := range list(t) {
		if slices.Contains(refusedNames, path.Base(p.path)) {
			t.Errorf("package %s: its name does not say what it is for", p.path)
		}
	}
}

// Pure packages get the time with their events.
func TestPurePackagesNeverAskTheClock(t *testing.T) {
	clock := []string{"Now", "Since", "Until", "Sleep", "After", "AfterFunc", "Tick", "NewTimer", "NewTicker"}
	for _, dir := range []string{".", "share", "rules", "mirror"} {
		files, err := filepath.Glob(filepath.Join(dir, "*.go"))
		if err != nil || len(files) == 0 {
			t.Fatalf("no files in %s: %v", dir, err)
		}
		for _, name := range files {
			if strings.HasSuffix(name, "_test.go") {
				continue
			}
			fset := token.NewFileSet()
			file, err := parser.ParseFile(fset, name, nil, 0)
			if errors.Is(err, fs.ErrNotExist) {
				continue
			}
			if err != nil {
				t.Fatal(err)
			}
			ast.Inspect(file, func(n ast.Node) bool {
				if s, ok := n.(*ast.SelectorExpr); ok && slices.Contains(clock, s.Sel.Name) {
					if x, ok := s.X.(*ast.Ident); ok && x.Name == "time" {
						t.Errorf("%s: time.%s: time arrives with events", fset.Position(s.Pos()), s.Sel.Name)
					}
				}
				return true
			})
		}
	}
}

// list answers the packages of this module with what they import on any system.
func list(t *testing.T) []listed {
	t.Helper()
	all := map[string]*listed{}
	for _, system := range []string{"linux", "windows"} {
		cmd := exec.Command("go", "list", "-e", "-json=ImportPath,Imports", modulePath+"/...")
		cmd.Env = append(os.Environ(), "GOOS="+system, "CGO_ENABLED=0")
		out, err := cmd.Output()
		if err != nil {
			t.Fatalf("list packages for %s: %v", system, err)
		}
		for d := json.NewDecoder(strings.NewReader(string(out))); ; {
			var p struct {
				ImportPath string
				Imports    []string
			}
			if err := d.Decode(&p); errors.Is(err, io.EOF) {
				break
			} else if err != nil {
				t.Fatal(err)
			}
			name := relative(p.ImportPath)
			if all[name] == nil {
				all[name] = &listed{path: name}
			}
			for _, i := range p.Imports {
				if i = relative(i); !slices.Contains(all[name].imports, i) {
					all[name].imports = append(all[name].imports, i)
				}
			}
		}
	}
	var packages []listed
	for _, p := range all {
		packages = append(packages, *p)
	}
	if len(packages) < 3 {
		t.Fatalf("go list knows %d packages only", len(packages))
	}
	return packages
}

func relative(p string) string { return strings.TrimPrefix(p, modulePath+"/") }

// ours are the top folders with Go packages.
var ours = []string{"cmd", "core", "lua", "modules", "plugins", "sdk"}

func isOurs(p string) bool { return slices.Contains(ours, strings.SplitN(p, "/", 2)[0]) }

func isStandard(p string) bool {
	return !isOurs(p) && !strings.Contains(strings.SplitN(p, "/", 2)[0], ".")
}

func matchesAny(patterns []string, p, self string) bool {
	return slices.ContainsFunc(patterns, func(pattern string) bool { return matches(pattern, p, self) })
}

func matches(pattern, p, self string) bool {
	switch pattern {
	case "...":
		return true
	case "ours":
		return isOurs(p)
	case "outside":
		return !isOurs(p) && !isStandard(p)
	case "self/...":
		pattern = home(self) + "/..."
	}
	if tree, ok := strings.CutSuffix(pattern, "/..."); ok {
		return p == tree || strings.HasPrefix(p, tree+"/")
	}
	return p == pattern
}

// home is the folder within which packages may know each other.
func home(p string) string {
	parts := strings.Split(p, "/")
	n := 2
	if parts[0] == "plugins" {
		n = 3
	}
	return strings.Join(parts[:min(n, len(parts))], "/")
}

func TestMatches(t *testing.T) {
	for _, c := range []struct {
		pattern, path, self string
		want                bool
	}{
		{"core", "core", "", true}, {"core", "core/vip", "", false}, {"core/...", "core/vip", "", true}, {"core/...", "coreutils", "", false},
		{"ours", "sdk/proto", "", true}, {"ours", "fmt", "", false}, {"outside", "modernc.org/sqlite", "", true}, {"outside", "net/http", "", false},
		{"self/...", "core/lab/load", "core/lab/demo", true}, {"self/...", "core/vip", "core/lab", false},
		{"self/...", "plugins/checker/tcp", "plugins/checker/http", false}, {"net/...", "net/netip", "", true},
	} {
		if got := matches(c.pattern, c.path, c.self); got != c.want {
			t.Errorf("%s matches %s (from %q): %t", c.pattern, c.path, c.self, got)
		}
	}
}
