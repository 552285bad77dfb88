package daemon

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"reflect"
	"slices"

	"github.com/orchestrator-ha/orchestrator/core/archive"
	"github.com/orchestrator-ha/orchestrator/core/catalog"
	"github.com/orchestrator-ha/orchestrator/core/config"
)

// description is the file of a module that may change while it runs.
const description = "conf/userconfig.xml"

// canChangeLive says that a module can take over another configuration while it
// runs: nothing differs but how connections are shared between the nodes.
func (m *member) canChangeLive(name string, conf *config.Module, files fs.FS) bool {
	mod, err := m.module(name)
	return err == nil && mod.canChange(conf, files)
}

func (mod *module) canChange(conf *config.Module, files fs.FS) bool {
	if mod.sharing == nil {
		return false
	}
	same, err := sameFiles(os.DirFS(mod.dir), files)
	if err == nil && same {
		same, err = onlySharesDiffer(mod.now.Load().conf, conf)
	}
	if err != nil {
		mod.m.log.Warn("compare a module's configurations", "module", mod.conf.Name, "error", err)
	}
	return err == nil && same
}

// changeLive takes over a version from the catalog while the module runs, if it
// can; the shares then move by plan.
func (mod *module) changeLive(item catalog.Item) (bool, error) {
	name := mod.conf.Name
	files, set, err := unpacked(name, item)
	if err != nil {
		return false, err
	}
	conf, problems := config.Parse(files, name, checkOptions(set, name+"/"))
	if conf == nil {
		return false, problems
	}
	if !mod.canChange(conf, files) {
		return false, nil
	}
	text, err := fs.ReadFile(files, description)
	if err != nil {
		return false, fmt.Errorf("take over the description of %s: %w", name, err)
	}
	for _, copyName := range []string{"active", "modules"} {
		if err := replaceFile(mod.m.d.path(copyName, name, description), text); err != nil {
			return false, fmt.Errorf("take over the description of %s: %w", name, err)
		}
	}
	mod.now.Store(&version{conf, item.Head})
	mod.reweigh()
	mod.m.announceLoaded()
	mod.m.d.noteModule(name, "config", "info", fmt.Sprintf("%s shares its connections by version %s (%s) from now on, applied by %s.", name, item.Version, item.Signature.Short(), item.By), nil, 0)
	return true, nil
}

// onlySharesDiffer says that two configurations are the same but for the powers of
// nodes and for slow_start.
func onlySharesDiffer(a, b *config.Module) (bool, error) {
	left, err := unshared(a)
	if err != nil {
		return false, err
	}
	right, err := unshared(b)
	return err == nil && reflect.DeepEqual(left, right), err
}

// unshared is a configuration without what may change while the module runs, and
// without what means nothing by itself: macros, and places in the file.
func unshared(m *config.Module) (any, error) {
	c := *m
	c.Macros, c.Farm.SlowStart = nil, 0
	c.Groups = slices.Clone(c.Groups)
	for i := range c.Groups {
		c.Groups[i].Hosts = nil
	}
	raw, err := json.Marshal(c)
	if err != nil {
		return nil, err
	}
	var plain any
	if err := json.Unmarshal(raw, &plain); err != nil {
		return nil, err
	}
	return withoutPlaces(plain), nil
}

func withoutPlaces(v any) any {
	switch v := v.(type) {
	case map[string]any:
		delete(v, "Pos")
		for k := range v {
			v[k] = withoutPlaces(v[k])
		}
	case []any:
		for i := range v {
			v[i] = withoutPlaces(v[i])
		}
	}
	return v
}

// sameFiles compares two modules file by file, their descriptions left out.
func sameFiles(a, b fs.FS) (bool, error) {
	left, err := besides(a)
	if err != nil {
		return false, err
	}
	right, err := besides(b)
	return err == nil && reflect.DeepEqual(left, right), err
}

// besides reads all files but the description, as an archive has them.
func besides(fsys fs.FS) (map[string][]byte, error) {
	var packed bytes.Buffer
	if err := archive.Write(&packed, fsys); err != nil {
		return nil, err
	}
	files, err := archive.Read(bytes.NewReader(packed.Bytes()), int64(packed.Len()), "module", archive.DefaultLimits())
	if err != nil {
		return nil, err
	}
	all := map[string][]byte{}
	err = fs.WalkDir(files, ".", func(name string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() || name == description {
			return err
		}
		all[name], err = fs.ReadFile(files, name)
		return err
	})
	return all, err
}
