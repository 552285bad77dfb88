package hook

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sync/atomic"

	lua "github.com/yuin/gopher-lua"
)

func fileFunctions() []Function {
	path := Param{"path", "string", "a path inside the module's directory, or an absolute path", false}
	return []Function{
		{
			Name: "file.exists", Since: "0.1", call: (*call).fileExists,
			Doc:     "Tells whether there is a file or directory.",
			Params:  []Param{path},
			Returns: []Param{{"exists", "boolean", "", false}},
		},
		{
			Name: "file.read", Since: "0.1", call: (*call).fileRead,
			Doc:     "Returns the contents of a file, 16 MiB at most. Raises an error if it cannot be read.",
			Params:  []Param{path},
			Returns: []Param{{"text", "string", "", false}},
		},
		{
			Name: "file.write", Since: "0.1", call: (*call).fileWrite,
			Doc:    "Writes a file: readers see the old contents or the new, never a part. An existing file keeps its permissions; a new one can be read by everybody and written by root.",
			Params: []Param{path, {"text", "string", "", false}},
		},
		{
			Name: "file.remove", Since: "0.1", call: (*call).fileRemove,
			Doc:    "Removes a file or an empty directory; nothing happens if there is none.",
			Params: []Param{path},
		},
	}
}

// withFile calls f with an open directory and a name in it. A relative path
// cannot leave the module's directory, not even through links. Work on files
// may hang (a network file system), so it does not run on the hook's own stack.
func withFile[T any](c *call, l *lua.LState, who string, f func(r *os.Root, name string) (T, error)) T {
	path := l.CheckString(1)
	v, err := await(c.ctx, func(context.Context) (T, error) {
		var zero T
		dir, name := c.run.Dir, filepath.FromSlash(path)
		if filepath.IsAbs(name) {
			dir, name = filepath.Split(filepath.Clean(name))
		}
		if name == "" {
			name = "."
		}
		root, err := os.OpenRoot(dir)
		if err != nil {
			return zero, err
		}
		defer root.Close()
		return f(root, name)
	})
	if err != nil {
		var pe *fs.PathError
		hint := ""
		if errors.As(err, &pe) {
			err = pe.Err
		}
		if !filepath.IsAbs(path) && !filepath.IsLocal(path) {
			hint = "; a path that does not begin with / stays inside the module's directory"
		}
		l.RaiseError("%s %s: %s%s", who, path, err.Error(), hint)
	}
	return v
}

func (c *call) fileExists(l *lua.LState) int {
	// A directory that does not exist has no files.
	ok := withFile(c, l, "file.exists", func(r *os.Root, name string) (bool, error) {
		_, err := r.Stat(name)
		if errors.Is(err, fs.ErrNotExist) {
			return false, nil
		}
		return err == nil, err
	})
	l.Push(lua.LBool(ok))
	return 1
}

func (c *call) fileRead(l *lua.LState) int {
	text := withFile(c, l, "file.read", readRegular)
	l.Push(lua.LString(text))
	return 1
}

// readRegular reads a file, but nothing that could block or have no end.
func readRegular(r *os.Root, name string) (string, error) {
	info, err := r.Stat(name)
	if err != nil {
		return "", err
	}
	if !info.Mode().IsRegular() {
		return "", fmt.Errorf("is no ordinary file but %s", info.Mode().Type())
	}
	f, err := r.Open(name)
	if err != nil {
		return "", err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxText+1))
	if err == nil && len(text) > maxText {
		err = fmt.Errorf("has more than %d MiB", maxText>>20)
	}
	return string(text), err
}

func (c *call) fileWrite(l *lua.LState) int {
	text := l.CheckString(2)
	withFile(c, l, "file.write", func(r *os.Root, name string) (struct{}, error) {
		return struct{}{}, replaceFile(r, name, text)
	})
	return 0
}

// fileCount makes names of temporary files unique within this process.
var fileCount atomic.Uint64

// replaceFile writes a file beside the old one and puts it in its place.
func replaceFile(r *os.Root, name, text string) (err error) {
	mode := fs.FileMode(0o644)
	if info, err := r.Stat(name); err == nil {
		if !info.Mode().IsRegular() {
			return fmt.Errorf("is no ordinary file but %s", info.Mode().Type())
		}
		mode = info.Mode().Perm()
	}
	tmp := fmt.Sprintf("%s.new-%d-%d", name, os.Getpid(), fileCount.Add(1))
	f, err := r.OpenFile(tmp, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			_ = r.Remove(tmp)
		}
	}()
	_, err = f.WriteString(text)
	if err == nil {
		err = f.Chmod(mode)
	}
	if err == nil {
		err = f.Sync()
	}
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err == nil {
		err = r.Rename(tmp, name)
	}
	return err
}

func (c *call) fileRemove(l *lua.LState) int {
	withFile(c, l, "file.remove", func(r *os.Root, name string) (struct{}, error) {
		err := r.Remove(name)
		if errors.Is(err, fs.ErrNotExist) {
			err = nil
		}
		return struct{}{}, err
	})
	return 0
}
