package archive

import (
	"bytes"
	"io"
	"io/fs"
	"path"
	"slices"
	"strings"
	"time"
)

// FS is the content of an archive in memory, an fs.FS. It is not changed after
// it was read, so it may be shared.
type FS struct {
	files map[string][]byte
	dirs  map[string]map[string]bool // folder → names in it, true for folders
}

var (
	_ fs.ReadFileFS = (*FS)(nil)
	_ fs.ReadDirFS  = (*FS)(nil)
	_ fs.StatFS     = (*FS)(nil)
)

func newFS() *FS {
	return &FS{files: map[string][]byte{}, dirs: map[string]map[string]bool{".": {}}}
}

// add stores a file whose name has been checked.
func (f *FS) add(name string, data []byte) {
	f.files[name] = data
	isDir := false
	for name != "." {
		dir := path.Dir(name)
		if f.dirs[dir] == nil {
			f.dirs[dir] = map[string]bool{}
		}
		f.dirs[dir][path.Base(name)] = isDir
		name, isDir = dir, true
	}
}

// Open opens a file or folder for reading.
func (f *FS) Open(name string) (fs.File, error) {
	info, err := f.Stat(name)
	if err != nil {
		err.(*fs.PathError).Op = "open"
		return nil, err
	}
	if info.IsDir() {
		entries, err := f.ReadDir(name)
		return &openDir{info: info, entries: entries}, err
	}
	return &openFile{info: info, Reader: bytes.NewReader(f.files[name])}, nil
}

// ReadFile returns a copy of a file.
func (f *FS) ReadFile(name string) ([]byte, error) {
	data, ok := f.files[name]
	if !ok {
		return nil, &fs.PathError{Op: "read", Path: name, Err: fs.ErrNotExist}
	}
	return slices.Clone(data), nil
}

// ReadDir lists a folder, sorted.
func (f *FS) ReadDir(name string) ([]fs.DirEntry, error) {
	names, ok := f.dirs[name]
	if !ok {
		return nil, &fs.PathError{Op: "readdir", Path: name, Err: fs.ErrNotExist}
	}
	entries := make([]fs.DirEntry, 0, len(names))
	for n, dir := range names {
		entries = append(entries, fs.FileInfoToDirEntry(f.info(path.Join(name, n), dir)))
	}
	slices.SortFunc(entries, func(a, b fs.DirEntry) int { return strings.Compare(a.Name(), b.Name()) })
	return entries, nil
}

// Stat describes a file or folder.
func (f *FS) Stat(name string) (fs.FileInfo, error) {
	if !fs.ValidPath(name) {
		return nil, &fs.PathError{Op: "stat", Path: name, Err: fs.ErrInvalid}
	}
	if _, ok := f.dirs[name]; ok {
		return f.info(name, true), nil
	}
	if _, ok := f.files[name]; ok {
		return f.info(name, false), nil
	}
	return nil, &fs.PathError{Op: "stat", Path: name, Err: fs.ErrNotExist}
}

func (f *FS) info(name string, dir bool) fileInfo {
	return fileInfo{name: name, size: int64(len(f.files[name])), dir: dir}
}

// modeOf is the mode that a file of a module gets wherever it is written:
// what lies in bin/ may be run.
func modeOf(name string) fs.FileMode {
	if strings.HasPrefix(name, "bin/") {
		return 0o755
	}
	return 0o644
}

type fileInfo struct {
	name string // full
	size int64
	dir  bool
}

func (i fileInfo) Name() string       { return path.Base(i.name) }
func (i fileInfo) Size() int64        { return i.size }
func (i fileInfo) ModTime() time.Time { return stamp() }
func (i fileInfo) IsDir() bool        { return i.dir }
func (i fileInfo) Sys() any           { return nil }
func (i fileInfo) Mode() fs.FileMode {
	if i.dir {
		return fs.ModeDir | 0o755
	}
	return modeOf(i.name)
}

type openFile struct {
	*bytes.Reader
	info fs.FileInfo
}

func (o *openFile) Stat() (fs.FileInfo, error) { return o.info, nil }
func (o *openFile) Close() error               { return nil }

type openDir struct {
	info    fs.FileInfo
	entries []fs.DirEntry
}

func (o *openDir) Stat() (fs.FileInfo, error) { return o.info, nil }
func (o *openDir) Close() error               { return nil }
func (o *openDir) Read([]byte) (int, error) {
	return 0, &fs.PathError{Op: "read", Path: o.info.Name(), Err: fs.ErrInvalid}
}

// ReadDir hands out the next n entries, all that are left if n is not positive.
func (o *openDir) ReadDir(n int) ([]fs.DirEntry, error) {
	if n <= 0 || n > len(o.entries) {
		if n > 0 && len(o.entries) == 0 {
			return nil, io.EOF
		}
		n = len(o.entries)
	}
	out := o.entries[:n]
	o.entries = o.entries[n:]
	return out, nil
}
