package link

import (
	"strings"
	"testing"
)

func TestCheckNamesWhatDiffers(t *testing.T) {
	mine := Hello{Protocol: 1, Release: "0.1", Cluster: "c", Node: 1, Module: "m", Settings: Settings{Folders: []string{"/a"}, Mode: "fsync", ZoneSize: 1 << 20}}
	for want, change := range map[string]func(*Hello){
		"":                                      func(*Hello) {},
		"version 2 of the replication protocol": func(h *Hello) { h.Protocol = 2 },
		"belongs to cluster d":                  func(h *Hello) { h.Cluster = "d" },
		"speaks of module n":                    func(h *Hello) { h.Module = "n" },
		"node 2 replicates /a, /b, node 1 /a":   func(h *Hello) { h.Settings.Folders = []string{"/a", "/b"} },
		"node 2 leaves out tmp, node 1 nothing": func(h *Hello) { h.Settings.Except = []string{"tmp"} },
		"node 2 acknowledges in mode memory":    func(h *Hello) { h.Settings.Mode = "memory" },
		"node 2 records zones of 4096 bytes":    func(h *Hello) { h.Settings.ZoneSize = 4096 },
	} {
		theirs := mine
		theirs.Node = 2
		change(&theirs)
		err := Check(mine, theirs)
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v", want, err)
		}
		// Both sides see it.
		if (Check(theirs, mine) == nil) != (err == nil) {
			t.Errorf("%q is seen by one side only", want)
		}
	}
}
