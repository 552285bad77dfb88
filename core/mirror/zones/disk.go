package zones

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"syscall"
)

// Disk is the directory that holds the files. What is not synced may be lost by a crash,
// in any part: data by File.Sync, names by Disk.Sync.
type Disk interface {
	Create(name string) (File, error) // empty, also if it was there
	ReadFile(name string) ([]byte, error)
	Rename(from, to string) error
	Remove(name string) error
	Sync() error
}

// File is one that is written.
type File interface {
	io.WriterAt
	io.Closer
	Sync() error
}

// Replace makes a file durable in one step: after a crash it holds data, or what it held
// before. That there is no room (ENOSPC) is said only when it holds what it held before.
func Replace(d Disk, name string, data []byte) error {
	f, err := d.Create(name + ".new")
	if err != nil {
		return err
	}
	_, err = f.WriteAt(data, 0)
	if err == nil {
		err = f.Sync()
	}
	if err := errors.Join(err, f.Close()); err != nil {
		return err
	}
	if err := d.Rename(name+".new", name); err != nil {
		return err
	}
	err = d.Sync()
	if errors.Is(err, syscall.ENOSPC) {
		err = fmt.Errorf("what %s holds after a crash is not certain: %v", name, err)
	}
	return err
}

// Directory is a directory of the operating system.
type Directory string

func (d Directory) path(name string) string { return filepath.Join(string(d), name) }

// Create makes an empty file.
func (d Directory) Create(name string) (File, error) {
	f, err := os.OpenFile(d.path(name), os.O_RDWR|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return nil, err
	}
	return &osFile{File: f}, nil
}

// osFile is a file of the operating system.
type osFile struct {
	*os.File
	reserved int64 // bytes there is room for
	written  int64 // bytes that were written, zeros at the end
}

// zerosAhead is how much is written after what is appended to a file with reserved room. In what
// was written before, data becomes durable by one write; otherwise the file system has to
// note in its journal that it was written, which takes several.
const zerosAhead = 64 << 10

// WriteAt writes b at an offset; behind the end, with zeros after it.
func (f *osFile) WriteAt(b []byte, at int64) (int, error) {
	end := at + int64(len(b))
	if end <= f.written || end+zerosAhead > f.reserved {
		return f.File.WriteAt(b, at)
	}
	n, err := f.File.WriteAt(append(b[:len(b):len(b)], make([]byte, zerosAhead)...), at)
	if err == nil {
		f.written = end + zerosAhead
	}
	return min(n, len(b)), err
}

// ReadFile reads a file.
func (d Directory) ReadFile(name string) ([]byte, error) { return os.ReadFile(d.path(name)) }

// Rename renames a file, over another.
func (d Directory) Rename(from, to string) error { return os.Rename(d.path(from), d.path(to)) }

// Remove removes a file.
func (d Directory) Remove(name string) error { return os.Remove(d.path(name)) }

// Sync makes the names durable.
func (d Directory) Sync() error {
	f, err := os.Open(string(d))
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}
