package ebpf

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"

	"github.com/cilium/ebpf/link"
	"golang.org/x/sys/unix"
)

// bpfMount is where Linux distributions mount the BPF file system.
const bpfMount = "/sys/fs/bpf"

// preparePins makes dir's parent usable for pinning, mounting the BPF file
// system at its usual place if that is all that is missing. The error says why
// nothing can be pinned there.
func preparePins(dir string) error {
	if dir == "" {
		return errors.New("no directory for pinning was given")
	}
	ok, err := onBPF(dir)
	if err != nil {
		return err
	}
	if !ok && strings.HasPrefix(filepath.Clean(dir)+"/", bpfMount+"/") {
		if err := unix.Mount("bpf", bpfMount, "bpf", unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, "mode=0700"); err != nil {
			return fmt.Errorf("mount the BPF file system at %s: %w", bpfMount, err)
		}
		ok = true
	}
	if !ok {
		return fmt.Errorf("%s is not on a BPF file system; give a directory under %s", dir, bpfMount)
	}
	return nil
}

// onBPF says whether dir, or what of its path exists, is on a BPF file system.
func onBPF(dir string) (bool, error) {
	for at := filepath.Clean(dir); ; at = filepath.Dir(at) {
		var st unix.Statfs_t
		err := unix.Statfs(at, &st)
		if err == nil {
			return uint32(st.Type) == unix.BPF_FS_MAGIC, nil
		}
		if !errors.Is(err, unix.ENOENT) || at == filepath.Dir(at) {
			return false, fmt.Errorf("look at %s: %w", at, err)
		}
	}
}

func layoutName(version int) string { return fmt.Sprintf("layout%d", version) }

// Clean takes what any version of the filter has pinned under pinDir off the
// kernel, and says what that was; nothing is no error. No process may be using it.
func Clean(pinDir string) ([]string, error) {
	did := []string{}
	layouts, err := filepath.Glob(filepath.Join(pinDir, "layout*"))
	if err != nil {
		return nil, fmt.Errorf("list pinned objects: %w", err)
	}
	for _, dir := range layouts {
		entries, err := os.ReadDir(dir)
		if err != nil {
			return nil, fmt.Errorf("list pinned objects: %w", err)
		}
		maps := 0
		for _, e := range entries {
			l, err := link.LoadPinnedLink(filepath.Join(dir, e.Name()), nil)
			if err != nil {
				maps++
				continue
			}
			did = append(did, fmt.Sprintf("the filter's program %s (%s)", e.Name(), whereabouts(bound(l))))
			l.Close()
		}
		did = append(did, fmt.Sprintf("%d maps of the filter (%s)", maps, filepath.Base(dir)))
	}
	if err := cleanLayouts(pinDir); err != nil {
		return nil, err
	}
	return did, nil
}

func whereabouts(ifindex int) string {
	if ifindex == 0 {
		return "its interface is gone"
	}
	i, err := net.InterfaceByIndex(ifindex)
	if err != nil {
		return fmt.Sprintf("on interface number %d", ifindex)
	}
	return "on " + i.Name
}

// cleanPins removes all pins in dir and dir itself, and detaches the links among
// them. No dir is no error.
func cleanPins(dir string) error {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("list pinned objects: %w", err)
	}
	for _, e := range entries {
		path := filepath.Join(dir, e.Name())
		if e.IsDir() {
			err = cleanPins(path)
		} else {
			err = removePin(path)
		}
		if err != nil {
			return fmt.Errorf("remove a pinned object: %w", err)
		}
	}
	if err := os.Remove(dir); err != nil {
		return fmt.Errorf("remove the directory of pinned objects: %w", err)
	}
	return nil
}

// cleanLayouts removes what any version of the filter pinned under root, and root
// if nothing of others is in it.
func cleanLayouts(root string) error {
	dirs, err := filepath.Glob(filepath.Join(root, "layout*"))
	if err != nil {
		return fmt.Errorf("list pinned objects: %w", err)
	}
	for _, dir := range dirs {
		if err := cleanPins(dir); err != nil {
			return err
		}
	}
	err = os.Remove(root)
	if err != nil && !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, unix.ENOTEMPTY) {
		return fmt.Errorf("remove the directory of pinned objects: %w", err)
	}
	return nil
}

// removePin removes a pin. A link is detached first: the kernel would do it only
// some time after its last user is gone, and keep the interface busy till then.
func removePin(path string) error {
	if l, err := link.LoadPinnedLink(path, nil); err == nil {
		detach := l.Detach()
		still := bound(l) != 0
		l.Close()
		if detach != nil && still {
			return detach
		}
	}
	return os.Remove(path)
}
