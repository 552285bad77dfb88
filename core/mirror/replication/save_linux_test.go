package replication

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/orchestrator-ha/orchestrator/core/mirror/replica"
	"github.com/orchestrator-ha/orchestrator/core/mirror/stream"
)

// setAside lets a saver that goes on under the same name see a file about to be overwritten.
func setAside(t *testing.T, p Place, name string) {
	t.Helper()
	files, err := replica.Open(p.Data())
	must(t, err)
	defer files.Close()
	must(t, files.Apply(stream.Op{Kind: stream.Bind, File: 7, Parent: stream.Root, Name: name}))
	s := newSaver(files, []Place{p}, "then")
	must(t, s.before(stream.Op{Kind: stream.Write, File: 7, Data: []byte("x")}))
}

// A daemon that dies while it sets a file aside has not set it aside: the next one does so.
func TestDeathWhileSomethingIsSetAside(t *testing.T) {
	if dir := os.Getenv("SET_ASIDE"); dir != "" { // the kernel kills it in the middle of the file
		var standard [4]uint64 // struct sigaction; Go's runtime takes no notice of that signal
		if _, _, errno := unix.RawSyscall6(unix.SYS_RT_SIGACTION, uintptr(unix.SIGXFSZ), uintptr(unsafe.Pointer(&standard)), 0, 8, 0, 0); errno != 0 {
			t.Fatal(errno)
		}
		must(t, unix.Setrlimit(unix.RLIMIT_FSIZE, &unix.Rlimit{Cur: 64 << 10, Max: 64 << 10}))
		setAside(t, Place{dir, "_behind"}, "f")
		return
	}
	if os.Geteuid() != 0 {
		t.Skip("files of descriptors need root")
	}
	top, err := filepath.EvalSymlinks(t.TempDir())
	must(t, err)
	p := Place{top + "/data", "_behind"}
	must(t, os.Mkdir(p.Dir, 0o755))
	want := bytes.Repeat([]byte("of this copy only"), 20_000)
	must(t, os.WriteFile(p.Dir+"/f", want, 0o644))
	must(t, p.Prepare())
	dies := exec.Command(os.Args[0], "-test.run=TestDeathWhileSomethingIsSetAside")
	dies.Env = append(os.Environ(), "SET_ASIDE="+p.Dir)
	if out, err := dies.CombinedOutput(); err == nil {
		t.Skip("this file system shares blocks: nothing is copied")
	} else if !strings.Contains(err.Error(), "file size limit") {
		t.Fatalf("it did not die of the limit: %v, %s", err, out)
	}
	setAside(t, p, "f")
	got, err := os.ReadFile(filepath.Join(p.Saved(), "then", "f"))
	if err != nil || !bytes.Equal(got, want) {
		t.Errorf("%d of %d bytes were set aside, %v", len(got), len(want), err)
	}
	(&saver{places: []Place{p}, name: "then"}).end()
	if left, err := filepath.Glob(p.Saved() + "/*.part"); err != nil || len(left) > 0 {
		t.Errorf("%v is left, %v", left, err)
	}
}
