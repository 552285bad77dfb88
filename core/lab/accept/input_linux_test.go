package accept_test

import (
	"archive/zip"
	"bytes"
	"compress/flate"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/orchestrator-ha/orchestrator/modules"
)

// files is what an archive holds, by name.
type files map[string]string

// shipped is a copy of the shipped web_farm with another port and address.
func shipped(t *testing.T) files {
	t.Helper()
	source, ok := modules.Builtin("web_farm")
	if !ok {
		t.Fatal("web_farm is not shipped")
	}
	f := files{}
	err := fs.WalkDir(source, ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		text, err := fs.ReadFile(source, path)
		f[path] = string(text)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return f
}

const userconfig = "conf/userconfig.xml"

// with replaces a text in one of the files.
func (f files) with(t *testing.T, file, old, text string) files {
	t.Helper()
	if !strings.Contains(f[file], old) {
		t.Fatalf("%s has no %q", file, old)
	}
	f[file] = strings.Replace(f[file], old, text, 1)
	return f
}

func (f files) zip(t *testing.T) []byte {
	t.Helper()
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	for name, text := range f {
		file, err := w.Create(name)
		if err == nil {
			_, err = file.Write([]byte(text))
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// bomb is an archive with a file of zeros that says it is of a size; it is as
// large as said if real.
func bomb(t *testing.T, real, said int64) []byte {
	t.Helper()
	var packed bytes.Buffer
	w, err := flate.NewWriter(&packed, flate.BestSpeed)
	if err != nil {
		t.Fatal(err)
	}
	zeros := make([]byte, 1<<20)
	for range real >> 20 {
		if _, err := w.Write(zeros); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	file, err := z.CreateRaw(&zip.FileHeader{
		Name: "web/zeros", Method: zip.Deflate, CompressedSize64: uint64(packed.Len()), UncompressedSize64: uint64(said),
	})
	if err == nil {
		_, err = file.Write(packed.Bytes())
	}
	for name, text := range shipped(t) {
		var file2 interface{ Write([]byte) (int, error) }
		if err == nil {
			file2, err = z.Create(name)
		}
		if err == nil {
			_, err = file2.Write([]byte(text))
		}
	}
	if err == nil {
		err = z.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// Whatever is wrong with a module: the answer tells where and why, nothing is
// installed, and the module that runs does not notice.
func TestBadInput(t *testing.T) {
	s := webFarm(t, "accinput")
	c := s.client(t, 50, 50)
	before, _ := c.now()
	address, port := "VIRTUAL_IP=10.77.0.101", "PORT=81"
	whole := shipped(t).zip(t)
	for name, tc := range map[string]struct {
		archive []byte
		set     []string
		say     []string
	}{
		"truncated":  {whole[:len(whole)/2], []string{address}, []string{"truncated"}},
		"tiny":       {whole[:10], []string{address}, []string{"tiny.safe"}},
		"climbs":     {files{"../evil": "x", userconfig: "<safe/>"}.zip(t), nil, []string{"../evil"}},
		"bomb":       {bomb(t, 600<<20, 600<<20), []string{address}, []string{"web/zeros", "limit"}},
		"lying":      {bomb(t, 300<<20, 100), []string{address}, []string{"web/zeros"}},
		"hugeclaim":  {bomb(t, 1<<20, 10<<30), []string{address}, []string{"web/zeros"}},
		"element":    {shipped(t).with(t, userconfig, "<check>", "<chekc>").with(t, userconfig, "</check>", "</chekc>").zip(t), []string{address, port}, []string{userconfig + ":30:6:", "chekc", "check"}},
		"attribute":  {shipped(t).with(t, userconfig, `when="both"`, `wenn="both"`).zip(t), []string{address, port}, []string{userconfig + ":31:24:", "wenn", "when"}},
		"nomacro":    {whole, []string{port}, []string{userconfig + ":", "VIRTUAL_IP", "--set"}},
		"twice":      {whole, []string{"VIRTUAL_IP=" + vip}, []string{userconfig + ":", vip, "web_farm"}},
		"port":       {whole, []string{address, "PORT=70000"}, []string{userconfig + ":", "70000", "65535"}},
		"syntax":     {shipped(t).with(t, "bin/start_both.lua", "timeout =", "timeout = = ").zip(t), []string{address, port}, []string{"bin/start_both.lua:", "="}},
		"noconfig":   {files{"README.md": "x"}.zip(t), nil, []string{userconfig}},
		"emptyzip":   {files{}.zip(t), nil, []string{"emptyzip"}},
		"unclosed":   {shipped(t).with(t, userconfig, "</service>", "").zip(t), []string{address, port}, []string{userconfig + ":", "service"}},
		"unknownset": {whole, []string{address, port, "PROT=1"}, []string{"PROT", "PORT"}},
	} {
		t.Run(name, func(t *testing.T) { s.refused(t, name, tc.archive, tc.set, tc.say) })
	}
	t.Run("not there", func(t *testing.T) {
		if r := s.try(t, "n1", "module", "install", "nosuch.safe"); r.code != 1 || !strings.Contains(r.err, "nosuch.safe") || !strings.Contains(r.err, "web_farm") {
			t.Errorf("%+v", r)
		}
	})
	t.Run("hangs", func(t *testing.T) { s.hangs(t) })
	t.Run("other system", func(t *testing.T) { s.otherSystem(t) })
	s.whole(t, everybody...)
	_, now := c.watch(t, time.Second)
	c.flawless(t, "bad input", before, now)
	c.stop(t)
}

// refused installs what cannot be installed.
func (s *stage) refused(t *testing.T, name string, archive []byte, set, say []string) {
	t.Helper()
	before := s.tree(t)
	path := filepath.Join(t.TempDir(), name+".safe")
	if err := os.WriteFile(path, archive, 0o600); err != nil {
		t.Fatal(err)
	}
	args := []string{"module", "install", path}
	for _, one := range set {
		args = append(args, "--set", one)
	}
	r := s.try(t, "n1", args...)
	t.Logf("exit code %d\n%s", r.code, r.text())
	if r.code != 1 {
		t.Errorf("exit code %d", r.code)
	}
	for _, phrase := range say {
		if !strings.Contains(r.err, phrase) {
			t.Errorf("the answer does not say %q", phrase)
		}
	}
	s.onlyItself(t)
	if after := s.tree(t); !slices.Equal(before, after) {
		t.Errorf("files were left behind:\n%v\nbefore:\n%v", after, before)
	}
}

// onlyItself says that the stage's module is up and the only one, everywhere.
func (s *stage) onlyItself(t *testing.T) {
	t.Helper()
	for _, node := range everybody {
		list := ask[[]struct{ Name string }](t, s, node, "module", "list")
		if len(list) != 1 || list[0].Name != s.module {
			t.Errorf("installed on %s: %+v", node, list)
		}
		if n := s.status(t, node, s.module)[node]; n.State != "UP" || n.Phase != "Ready" {
			t.Errorf("%s is %+v", s.module, n)
		}
	}
}

// tree lists what node 1 keeps of modules.
func (s *stage) tree(t *testing.T) []string {
	t.Helper()
	var list []string
	home := filepath.Join(s.root, s.name, "n1", "home")
	for _, folder := range []string{"active", "catalog", "modules", "state"} {
		err := filepath.WalkDir(filepath.Join(home, folder), func(path string, _ fs.DirEntry, err error) error {
			list = append(list, path)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return list
}

// otherSystem installs a module for Windows: it is checked, but start is refused in a
// sentence.
func (s *stage) otherSystem(t *testing.T) {
	t.Helper()
	s.do(t, "n1", "module", "install", "iis_farm.safe", "--set", "VIRTUAL_IP=10.77.0.101", "--set", "PORT=81")
	r := s.try(t, "n1", "start", "iis_farm", "--node", "n1")
	t.Logf("exit code %d\n%s", r.code, r.text())
	if r.code != 1 || strings.Count(r.text(), "IIS (W3SVC) runs on Windows only; this node runs linux") != 1 {
		t.Errorf("%+v", r)
	}
	s.uninstall(t, "iis_farm")
}

// hangs installs and starts a module whose start never ends.
func (s *stage) hangs(t *testing.T) {
	t.Helper()
	f := shipped(t).with(t, userconfig, `starttimeout="60s"`, `starttimeout="2s"`).
		with(t, userconfig, `mode="farm"`, `mode="farm" maxloop="1"`)
	f["bin/start_both.lua"] = "-- starts nothing\nlocal n = 0\nwhile true do\n  n = n + 1\nend\n"
	path := filepath.Join(t.TempDir(), "hang.safe")
	if err := os.WriteFile(path, f.zip(t), 0o600); err != nil {
		t.Fatal(err)
	}
	s.do(t, "n1", "module", "install", path, "--set", "VIRTUAL_IP=10.77.0.101", "--set", "PORT=81")
	r := s.try(t, "n1", "start", "hang", "--node", "n1")
	t.Logf("exit code %d\n%s", r.code, r.text())
	if r.code != 1 {
		t.Errorf("exit code %d", r.code)
	}
	for _, phrase := range []string{"start_both", "bin/start_both.lua:", "2s"} {
		if !strings.Contains(r.text(), phrase) {
			t.Errorf("the answer of start does not say %q", phrase)
		}
	}
	why := s.do(t, "n1", "why", "hang")
	t.Logf("why:\n%s", why)
	for _, phrase := range []string{"start_both", "after 1 automatic restart"} {
		if !strings.Contains(why, phrase) {
			t.Errorf("why does not say %q", phrase)
		}
	}
	s.uninstall(t, "hang")
}

// uninstall takes a module away, on all nodes.
func (s *stage) uninstall(t *testing.T, module string) {
	t.Helper()
	s.do(t, "n1", "module", "uninstall", module)
	eventually(t, "the module is gone", func() string {
		for _, node := range everybody {
			if out := s.do(t, node, "module", "list"); strings.Contains(out, module) {
				return out
			}
		}
		return ""
	})
	s.onlyItself(t)
}
