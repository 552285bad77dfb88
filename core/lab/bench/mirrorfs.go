package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// folderModule replicates two folders, one with the kernel's write-back, and runs nothing.
const folderModule = `<safe>
  <service mode="mirror">
    <heart timeout="1s"/>
    <rfs>
      <replicated dir="/srv/mirror"/>
      <replicated dir="/srv/gathered" writeback="on"/>
    </rfs>
    <user/>
  </service>
</safe>
`

// folderKind is a load, with what is promised.
type folderKind struct {
	load, title, unit string
	perUnit           float64 // µs
	rounds            int
	ofPlain           float64 // of the plain folder's speed
	ofPeer            float64 // times that of GlusterFS
}

var folderKinds = []folderKind{
	{"synced", "a write of 4 KiB and fdatasync", "µs", 1, 5, 0.35, 1.5},
	{"sequential", "a sequential write of 1 MiB", "µs", 1, 5, 0.3, 1.5},
	{"small", "a write of 4 KiB without a sync", "µs", 1, 5, 0.4, 1.5},
	{"reads", "a read of 4 KiB that is in memory", "µs", 1, 5, 0.75, 1.5},
	{"untar", "untar of 4,000 files", "s", 1e6, 2, 1.0 / 6, 8},
}

// mirrorFS measures a replicated folder beside a plain one of the same disk and GlusterFS
// with two replicas on the same nodes.
func mirrorFS(ctx context.Context, b *bench) (err error) {
	dir, err := b.folder("mirrorfs")
	if err != nil {
		return err
	}
	template := filepath.Join(dir, "disk")
	for _, name := range []string{"plain", "mirror", "gathered", "gluster"} {
		if err := os.MkdirAll(filepath.Join(template, "srv", name), 0o755); err != nil {
			return fmt.Errorf("make a folder: %w", err)
		}
	}
	if err := makeArchive(filepath.Join(template, "srv", untarName)); err != nil {
		return fmt.Errorf("make an archive: %w", err)
	}
	module, err := b.moduleFolder("folder", map[string]string{"conf/userconfig.xml": folderModule})
	if err != nil {
		return err
	}
	r, err := b.mirrored(ctx, template, []bind{{"srv", "/srv"}}, module)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, r.close()) }()
	places := []string{"plain", "mirror", "gluster"}
	end, missing := r.startGluster(ctx)
	defer end()
	if missing != nil {
		b.say("without GlusterFS: %v", missing)
		places = places[:2]
	}
	for _, kind := range folderKinds {
		times, err := r.folderTimes(ctx, kind, places...)
		if err != nil {
			return err
		}
		f := Figure{ID: "mirrorfs." + kind.load, Name: kind.title + " in a replicated folder, beside a plain folder", Unit: kind.unit, Values: times["mirror"],
			Target: against(kind.ofPlain), Peer: &Peer{Name: "plain folder", Values: times["plain"]}}
		b.add(f)
		f = Figure{ID: f.ID + ".gluster", Name: kind.title + " in a replicated folder, beside GlusterFS", Unit: kind.unit, Values: times["mirror"], Target: against(kind.ofPeer)}
		if missing == nil {
			f.Peer = &Peer{Name: "GlusterFS, replica 2", Values: times["gluster"]}
		} else {
			f.Note = "Without the peer: " + missing.Error() + "."
		}
		b.add(f)
	}
	if err := b.writeBack(ctx, r); err != nil {
		return err
	}
	return b.foldersAlone(ctx, r)
}

// foldersAlone measures the same without the secondary: what is left is the file system.
func (b *bench) foldersAlone(ctx context.Context, r *rig) error {
	prim, second := r.pair(ctx, "folder")
	err := r.dies(ctx, second)
	if err == nil {
		err = r.alone(ctx, "folder", prim)
	}
	if err != nil {
		return err
	}
	for _, kind := range folderKinds {
		times, err := r.folderTimes(ctx, kind, "plain", "mirror")
		if err != nil {
			return err
		}
		b.add(Figure{ID: "mirrorfs." + kind.load + ".alone", Name: kind.title + " in a replicated folder while the secondary is away", Unit: kind.unit,
			Values: times["mirror"], Peer: &Peer{Name: "plain folder", Values: times["plain"]}})
	}
	return nil
}

// folderTimes puts a load on folders in turn; an answer is in the kind's unit.
func (r *rig) folderTimes(ctx context.Context, kind folderKind, places ...string) (map[string][]float64, error) {
	times := map[string][]float64{}
	for range min(kind.rounds, r.b.runs) {
		for _, place := range places {
			took, err := r.folderLoad(ctx, kind.load, "/srv/"+place)
			if err != nil {
				return nil, fmt.Errorf("%s in %s: %w", kind.title, place, err)
			}
			times[place] = append(times[place], took/kind.perUnit)
		}
	}
	return times, nil
}

// folderLoad is what an operation took on the primary, in µs.
func (r *rig) folderLoad(ctx context.Context, load, dir string) (float64, error) {
	self, err := os.Executable()
	if err != nil {
		return 0, fmt.Errorf("find this program: %w", err)
	}
	out, err := r.inside(ctx, r.nodes[0], self, "folderload", load, dir)
	if err != nil {
		return 0, err
	}
	return strconv.ParseFloat(strings.TrimSpace(out), 64)
}

// writeBack measures small writes that the kernel gathers.
func (b *bench) writeBack(ctx context.Context, r *rig) error {
	i := slices.IndexFunc(folderKinds, func(k folderKind) bool { return k.load == "small" })
	kind := folderKinds[i]
	times, err := r.folderTimes(ctx, kind, "plain", "gathered")
	if err != nil {
		return err
	}
	b.add(Figure{ID: "mirrorfs.small.writeback", Name: kind.title + ", with writeback=\"on\", beside a plain folder", Unit: kind.unit, Target: against(kind.ofPlain),
		Values: times["gathered"], Peer: &Peer{Name: "plain folder", Values: times["plain"]}})
	return nil
}
