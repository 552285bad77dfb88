package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"time"
)

// folderLoads are what is done in a folder; each answers how long one operation took.
var folderLoads = map[string]func(dir string) (time.Duration, error){
	"synced":     func(dir string) (time.Duration, error) { return writes(dir, 100, 1024, true) },
	"small":      func(dir string) (time.Duration, error) { return writes(dir, 2000, 2048, false) },
	"sequential": sequentialWrites,
	"reads":      hotReads,
	"untar":      untar,
}

const (
	untarFiles = 4000
	untarName  = "files.tar" // beside the folders
)

// folderLoad does one of them in a folder and prints what an operation took, in µs.
func folderLoad(args []string) {
	took, err := folderLoads[args[0]](args[1])
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	fmt.Println(float64(took.Nanoseconds()) / 1000)
}

// timed opens a file of a folder and answers what one of count operations on it took; the
// close counts.
func timed(dir string, flags, count int, do func(f *os.File) error) (time.Duration, error) {
	f, err := os.OpenFile(filepath.Join(dir, "f"), os.O_RDWR|os.O_CREATE|flags, 0o644)
	if err != nil {
		return 0, err
	}
	begin := time.Now()
	err = errors.Join(do(f), f.Close())
	return time.Since(begin) / time.Duration(count), err
}

// writes puts blocks at places of a file that exists, one after the other in no order.
func writes(dir string, count, blocks int, synced bool) (time.Duration, error) {
	if err := filled(dir, blocks); err != nil {
		return 0, err
	}
	data := make([]byte, block)
	return timed(dir, 0, count, func(f *os.File) error {
		for i := range count {
			data[0]++
			if _, err := f.WriteAt(data, int64(i*617%blocks)*block); err != nil {
				return err
			}
			if synced {
				if err := fdatasync(f); err != nil {
					return err
				}
			}
		}
		return nil
	})
}

// filled makes the file of so many blocks, on the disk and in the page cache.
func filled(dir string, blocks int) error {
	_, err := timed(dir, os.O_TRUNC, 1, func(f *os.File) error {
		if _, err := f.Write(make([]byte, blocks*block)); err != nil {
			return err
		}
		return f.Sync()
	})
	if err == nil {
		_, err = os.ReadFile(filepath.Join(dir, "f"))
	}
	return err
}

// sequentialWrites writes 64 MiB to a new file, 1 MiB each, and syncs it at the end.
func sequentialWrites(dir string) (time.Duration, error) {
	const count = 64
	if err := os.Remove(filepath.Join(dir, "f")); err != nil && !errors.Is(err, os.ErrNotExist) {
		return 0, err
	}
	data := make([]byte, 1<<20)
	return timed(dir, 0, count, func(f *os.File) error {
		for range count {
			if _, err := f.Write(data); err != nil {
				return err
			}
		}
		return f.Sync()
	})
}

func hotReads(dir string) (time.Duration, error) {
	const count, blocks = 20000, 2048
	if err := filled(dir, blocks); err != nil {
		return 0, err
	}
	data := make([]byte, block)
	return timed(dir, 0, count, func(f *os.File) error {
		for i := range count {
			if _, err := f.ReadAt(data, int64(i*617%blocks)*block); err != nil {
				return err
			}
		}
		return nil
	})
}

// untar unpacks the archive that lies beside the folder, and removes it again, which does
// not count.
func untar(dir string) (time.Duration, error) {
	begin := time.Now()
	if out, err := exec.Command("tar", "xf", filepath.Join(filepath.Dir(dir), untarName), "-C", dir).CombinedOutput(); err != nil {
		return 0, fmt.Errorf("untar: %w: %s", err, out)
	}
	took := time.Since(begin)
	return took, os.RemoveAll(filepath.Join(dir, "t"))
}

// makeArchive packs 4,000 files of 4 KiB in 80 folders.
func makeArchive(path string) error {
	dir, err := os.MkdirTemp(filepath.Dir(path), "t")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	for i := range untarFiles {
		folder := filepath.Join(dir, "t", fmt.Sprint("d", i/50))
		err := os.MkdirAll(folder, 0o755)
		if err == nil {
			err = os.WriteFile(filepath.Join(folder, fmt.Sprint("f", i)), make([]byte, block), 0o644)
		}
		if err != nil {
			return err
		}
	}
	if out, err := exec.Command("tar", "cf", path, "-C", dir, "t").CombinedOutput(); err != nil {
		return fmt.Errorf("tar: %w: %s", err, out)
	}
	return nil
}
