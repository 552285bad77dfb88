package loopdisk

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"testing"

	"golang.org/x/sys/unix"
)

// Make makes the image of an empty file system of size bytes, with options of mkfs.ext4(8).
// Nothing in it is reserved for root. The test is skipped where there is no mkfs.ext4.
func Make(t testing.TB, image string, size int64, options ...string) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("mounts need root")
	}
	if err := errors.Join(os.WriteFile(image, nil, 0o600), os.Truncate(image, size)); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("mkfs.ext4", slices.Concat([]string{"-q", "-m", "0"}, options, []string{image})...).CombinedOutput(); err != nil {
		t.Skipf("mkfs.ext4: %v %s", err, out)
	}
}

// Mount mounts an image on a directory, with data as of mount(2). It starts no program: one
// inherits what this process has open on a FUSE mount, and cannot close it while writes wait
// for what the test does next.
func Mount(image, dir, data string) error {
	control, err := os.OpenFile("/dev/loop-control", os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer control.Close()
	file, err := os.OpenFile(image, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer file.Close()
	for { // another test may be faster
		number, err := unix.IoctlRetInt(int(control.Fd()), unix.LOOP_CTL_GET_FREE)
		if err != nil {
			return fmt.Errorf("find a loop device: %w", err)
		}
		device, err := os.OpenFile(fmt.Sprintf("/dev/loop%d", number), os.O_RDWR, 0)
		if err != nil {
			return err
		}
		defer device.Close()
		err = unix.IoctlLoopConfigure(int(device.Fd()), &unix.LoopConfig{Fd: uint32(file.Fd()), Info: unix.LoopInfo64{Flags: unix.LO_FLAGS_AUTOCLEAR}})
		if errors.Is(err, unix.EBUSY) {
			continue
		}
		if err != nil {
			return fmt.Errorf("attach %s to %s: %w", image, device.Name(), err)
		}
		return unix.Mount(device.Name(), dir, "ext4", 0, data)
	}
}

// New is an empty file system of size bytes, mounted on a directory of the test's own for as
// long as that runs.
func New(t testing.TB, size int64, options ...string) (dir string) {
	t.Helper()
	image := t.TempDir() + "/image"
	dir = t.TempDir()
	Make(t, image, size, options...)
	if err := Mount(image, dir, ""); err != nil {
		t.Skipf("no loop device: %v", err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(dir, unix.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	return dir
}
