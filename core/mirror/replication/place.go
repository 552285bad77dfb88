package replication

import "path/filepath"

// Place is where a folder and all that belongs to it lie:
//
//	/srv/data                          the folder: a mount on the primary, else empty
//	/srv/data_For_SafeKit_Replication  what is behind it, for root only
//	    data/                          the files
//	    state.json                     whose copy this is, and its generations
//	    zones/                         what the other copy may lack
//	    saved/                         what only this copy had when it was overwritten
//
// All of it is on one file system, so that the generations go where the data goes. To
// replicate a mount point, mount that file system on the second path.
type Place struct {
	Dir    string
	Suffix string
}

func (p Place) behind() string { return p.Dir + p.Suffix }

// Data is the directory that holds the files.
func (p Place) Data() string { return filepath.Join(p.behind(), "data") }

// Zones is the directory of the record of zones.
func (p Place) Zones() string { return filepath.Join(p.behind(), "zones") }

// Saved is the directory for what is set aside.
func (p Place) Saved() string { return filepath.Join(p.behind(), "saved") }

func (p Place) state() string { return filepath.Join(p.behind(), "state.json") }
