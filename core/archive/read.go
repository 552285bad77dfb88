package archive

import (
	"archive/zip"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"

	"github.com/orchestrator-ha/orchestrator/core/diag"
)

// Open reads the archive in a file. Errors are diag.Problems when the archive
// is at fault, others when it cannot be read at all.
func Open(file string, l Limits) (*FS, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, fmt.Errorf("open archive: %w", err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, fmt.Errorf("open archive: %w", err)
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("open archive: %s is not a file", file)
	}
	return Read(f, info.Size(), filepath.Base(file), l)
}

// Read checks an archive and unpacks it into memory. name is for messages.
// First all headers are judged: a bomb that tells its size is refused without
// unpacking anything. A header that lies is found out when its entry is longer
// than it said.
//
// All reasons found in the headers are reported together, as diag.Problems.
func Read(r io.ReaderAt, size int64, name string, l Limits) (*FS, error) {
	d := &directory{r: r, left: int64(l.Files)*maxHeader + 1<<17}
	z, err := zip.NewReader(d, size)
	d.done = true
	if errors.Is(err, zip.ErrInsecurePath) {
		err = nil // checkName says it better
	}
	if errors.Is(err, errDirectory) {
		return nil, refuse(name, "", idTooMany, fmt.Sprintf("the list of entries is too long, the limit is %d entries", l.Files), "")
	}
	if err != nil {
		return nil, refuse(name, "", idNotZip, "this is not a whole zip file: "+err.Error(),
			"the file may be truncated: copy it again and compare the sizes")
	}
	if len(z.File) > l.Files {
		return nil, refuse(name, "", idTooMany,
			fmt.Sprintf("the archive has %d entries, the limit is %d", len(z.File), l.Files), "")
	}
	turnSlashes(z)
	if err := checkHeaders(z, name, l); err != nil {
		return nil, err
	}
	return unpack(z, name)
}

// turnSlashes mends archives of old Windows programs (Compress-Archive of PowerShell 5
// among them), which write backslashes between folders, against APPNOTE.TXT 4.4.17.1.
// Such an archive has no slash at all; where there are both, a backslash is part of a name.
func turnSlashes(z *zip.Reader) {
	for _, f := range z.File {
		if strings.Contains(f.Name, "/") {
			return
		}
	}
	for _, f := range z.File {
		f.Name = strings.ReplaceAll(f.Name, `\`, "/")
	}
}

// maxHeader is ample for the directory entry of one file, in bytes.
const maxHeader = 1 << 10

var errDirectory = errors.New("directory too long")

// directory bounds what is read, and so kept in memory, before the number of
// entries is known.
type directory struct {
	r    io.ReaderAt
	left int64
	done bool
}

func (d *directory) ReadAt(p []byte, off int64) (int, error) {
	n, err := d.r.ReadAt(p, off)
	if d.left -= int64(n); d.left < 0 && !d.done {
		return 0, errDirectory
	}
	return n, err
}

// checkHeaders judges every entry without unpacking it.
func checkHeaders(z *zip.Reader, archive string, l Limits) error {
	var found diag.Problems
	var total uint64
	c := newClashes()
	for _, f := range z.File {
		entry := strings.TrimSuffix(f.Name, "/")
		if err := checkEntry(f, archive, entry, l); err != nil {
			found = appendProblems(found, err)
			continue
		}
		if err := c.add(entry, f.Mode().IsDir()); err != nil {
			found = appendProblems(found, refuse(archive, entry, idDuplicate, err.Error(), ""))
		}
		if total += f.UncompressedSize64; total > uint64(l.Total) {
			return append(found, appendProblems(nil, refuse(archive, "", idTooBig,
				fmt.Sprintf("the archive unpacks to more than %d bytes", l.Total), ""))...)
		}
	}
	return found.Err()
}

func appendProblems(ps diag.Problems, err error) diag.Problems {
	var more diag.Problems
	if errors.As(err, &more) {
		return append(ps, more...)
	}
	return ps
}

// checkEntry judges one header by itself.
func checkEntry(f *zip.File, archive, entry string, l Limits) error {
	if err := checkName(entry); err != nil {
		return refuse(archive, entry, idBadName, err.Error(), "use relative names with slashes, such as bin/start_both.lua")
	}
	mode := f.Mode()
	switch {
	case mode&fs.ModeType != 0 && !mode.IsDir():
		return refuse(archive, entry, idLink, "this entry is "+kind(mode)+"; only files and folders are allowed",
			"put the file itself into the archive")
	case f.Flags&1 != 0:
		return refuse(archive, entry, idEncrypted, "this entry is encrypted", "make the archive without a password")
	case f.Method != zip.Store && f.Method != zip.Deflate:
		return refuse(archive, entry, idMethod, fmt.Sprintf("compression method %d is not supported", f.Method),
			"make the archive with the deflate method, which every zip program has")
	case f.UncompressedSize64 > uint64(l.File):
		return refuse(archive, entry, idTooBig,
			fmt.Sprintf("this entry unpacks to %d bytes, the limit for one file is %d", f.UncompressedSize64, l.File), "")
	case f.UncompressedSize64 > RatioFrom && f.UncompressedSize64/uint64(l.Ratio) > f.CompressedSize64:
		return refuse(archive, entry, idBomb,
			fmt.Sprintf("this entry grows from %d to %d bytes, more than %d times: it looks made to fill a disk",
				f.CompressedSize64, f.UncompressedSize64, l.Ratio), "")
	case mode.IsDir() && f.UncompressedSize64 > 0:
		return refuse(archive, entry, idLink, "this entry is a folder with content", "")
	}
	return nil
}

func kind(mode fs.FileMode) string {
	if mode&fs.ModeSymlink != 0 {
		return "a symbolic link"
	}
	return "a special file"
}

// clashes finds names that would share one file.
type clashes struct {
	files   map[string]string // folded → as written
	folders map[string]string
}

func newClashes() *clashes {
	return &clashes{files: map[string]string{}, folders: map[string]string{}}
}

func (c *clashes) add(name string, dir bool) error {
	if !dir {
		if other, ok := c.files[fold(name)]; ok {
			return sameName(name, other)
		}
		c.files[fold(name)] = name
		if _, ok := c.folders[fold(name)]; ok {
			return fmt.Errorf("%q is both a file and a folder", name)
		}
		name = path.Dir(name)
	}
	for ; name != "."; name = path.Dir(name) {
		if other, ok := c.folders[fold(name)]; ok && other != name {
			return sameName(name, other)
		}
		if _, ok := c.files[fold(name)]; ok {
			return fmt.Errorf("%q is both a file and a folder", name)
		}
		c.folders[fold(name)] = name
	}
	return nil
}

func sameName(name, other string) error {
	if name == other {
		return fmt.Errorf("the name appears twice in the archive")
	}
	return fmt.Errorf("the name differs from %q by letter case only; on Windows both are one file", other)
}

// unpack reads the entries, each up to the size its header told.
func unpack(z *zip.Reader, archive string) (*FS, error) {
	m := newFS()
	for _, f := range z.File {
		if f.Mode().IsDir() {
			continue
		}
		data, err := readEntry(f)
		if err != nil {
			return nil, refuse(archive, f.Name, idCorrupt, "this entry cannot be unpacked: "+err.Error(),
				"the file may be damaged: copy it again")
		}
		m.add(f.Name, data)
	}
	return m, nil
}

func readEntry(f *zip.File) ([]byte, error) {
	r, err := f.Open()
	if err != nil {
		return nil, err
	}
	defer r.Close()
	data, err := io.ReadAll(io.LimitReader(r, int64(f.UncompressedSize64)+1))
	if err != nil {
		return nil, err
	}
	if uint64(len(data)) != f.UncompressedSize64 {
		return nil, fmt.Errorf("its size is not the %d bytes told", f.UncompressedSize64)
	}
	return data, nil
}
