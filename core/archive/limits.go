package archive

import "github.com/orchestrator-ha/orchestrator/core/diag"

// Limits bounds what an archive may ask of the machine that reads it.
type Limits struct {
	Total int64 // bytes of all files, unpacked
	File  int64 // bytes of one file, unpacked
	Files int   // entries, folders included
	Ratio int64 // unpacked to packed size of a file, from RatioFrom bytes on
}

// RatioFrom is the unpacked size below which compression is not judged: small
// files of zeros are no danger.
const RatioFrom = 1 << 20

// DefaultLimits suit modules: a few scripts, perhaps a program or an installer.
func DefaultLimits() Limits {
	return Limits{Total: 512 << 20, File: 256 << 20, Files: 10_000, Ratio: 200}
}

// refuse makes the error for one entry (empty: the archive as a whole).
func refuse(archive, entry, id, message, hint string) error {
	file := archive
	if entry != "" {
		file += ":" + entry
	}
	return diag.Problems{{ID: id, Severity: diag.Error, Message: message, Pos: diag.Position{File: file}, Hint: hint}}
}
