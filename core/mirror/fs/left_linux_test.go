package fs

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// What is not to be had soon is not waited for.
func TestReadSoon(t *testing.T) {
	if maps := readSoon("/proc/self/maps"); !bytes.Contains(maps, []byte("[stack]")) {
		t.Errorf("the own map: %q", maps)
	}
	pipe := filepath.Join(t.TempDir(), "pipe")
	must(t, unix.Mkfifo(pipe, 0o600))
	began := time.Now()
	if b := readSoon(pipe); b != nil || time.Since(began) < soonTime {
		t.Errorf("read %q after %s", b, time.Since(began))
	}
	w, err := os.OpenFile(pipe, os.O_WRONLY, 0) // whoever still reads ends
	must(t, err)
	must(t, w.Close())
}
