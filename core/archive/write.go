package archive

import (
	"archive/zip"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// stamp is the time of every file in an archive, the first that zip can tell,
// so that the same files give the same archive.
func stamp() time.Time { return time.Date(1980, 1, 1, 0, 0, 0, 0, time.UTC) }

// Write makes an archive of a module's folder. The same files give the same
// bytes, whenever and wherever they were written. Names that begin with a dot
// (.git, .DS_Store) are left out. What Read would refuse is not written.
func Write(w io.Writer, fsys fs.FS) error {
	z := zip.NewWriter(w)
	l := DefaultLimits()
	var total int64
	c, count := newClashes(), 0
	err := walk(fsys, func(name string, data []byte) error {
		total += int64(len(data))
		count++
		if total > l.Total || int64(len(data)) > l.File || count > l.Files {
			return fmt.Errorf("%s: the limit of %d files or %d bytes is passed", name, l.Files, l.Total)
		}
		if err := c.add(name, false); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		return writeEntry(z, name, data)
	})
	if err == nil {
		err = z.Close()
	}
	if err != nil {
		return fmt.Errorf("write archive: %w", err)
	}
	return nil
}

func writeEntry(z *zip.Writer, name string, data []byte) error {
	h := &zip.FileHeader{Name: name, Method: zip.Deflate, Modified: stamp()}
	h.SetMode(modeOf(name))
	if len(data) == 0 {
		h.Method = zip.Store
	}
	f, err := z.CreateHeader(h)
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	if _, err := f.Write(data); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return nil
}

// Signature is a SHA-256, in hex, over the names and contents of a module's
// files: equal for the folder, its archive, and an archive that another zip
// program made of it.
func Signature(fsys fs.FS) (string, error) {
	sum := sha256.New()
	field := func(b []byte) {
		var n [8]byte
		binary.BigEndian.PutUint64(n[:], uint64(len(b)))
		sum.Write(n[:])
		sum.Write(b)
	}
	err := walk(fsys, func(name string, data []byte) error {
		field([]byte(name))
		field(data)
		return nil
	})
	if err != nil {
		return "", fmt.Errorf("sign module: %w", err)
	}
	return hex.EncodeToString(sum.Sum(nil)), nil
}

// walk visits all files of a module in the order of their names.
func walk(fsys fs.FS, visit func(name string, data []byte) error) error {
	return fs.WalkDir(fsys, ".", func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case name == ".":
			return nil
		case strings.HasPrefix(d.Name(), "."):
			if d.IsDir() {
				return fs.SkipDir
			}
			return nil
		case d.IsDir():
			return nil
		case !d.Type().IsRegular():
			return fmt.Errorf("%s is neither a file nor a folder", name)
		}
		if err := checkName(name); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		data, err := fs.ReadFile(fsys, name)
		if err != nil {
			return err
		}
		return visit(name, data)
	})
}

// Pack writes the archive of a module's folder to a file as one step: file is
// complete or what it was before.
func Pack(file string, fsys fs.FS) error {
	temp, err := os.CreateTemp(filepath.Dir(file), "."+filepath.Base(file)+".*")
	if err != nil {
		return fmt.Errorf("write archive: %w", err)
	}
	defer os.Remove(temp.Name()) // gone already if all went well
	err = Write(temp, fsys)
	if err == nil {
		err = errors.Join(temp.Chmod(0o644), temp.Sync())
	}
	if err = errors.Join(err, temp.Close()); err != nil {
		return err
	}
	if err := os.Rename(temp.Name(), file); err != nil {
		return fmt.Errorf("write archive: %w", err)
	}
	return nil
}
