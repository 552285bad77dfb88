package lab

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"
)

// own takes the lab's lock, which says that its owner lives. The file has the
// owner's process id in it.
func own(p place) (*os.File, error) {
	for {
		if err := os.MkdirAll(p.dir, 0o700); err != nil {
			return nil, fmt.Errorf("make the lab's folder: %w", err)
		}
		file, err := os.OpenFile(p.lock(), os.O_CREATE|os.O_RDWR, 0o600)
		if errors.Is(err, os.ErrNotExist) {
			continue // its last owner has just removed the folder
		}
		if err != nil {
			return nil, fmt.Errorf("open the lab's lock: %w", err)
		}
		err = unix.Flock(int(file.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		if errors.Is(err, unix.EWOULDBLOCK) {
			_ = file.Close()
			return nil, fmt.Errorf("lab %s %w", p.name, errRunning)
		}
		if err != nil {
			return nil, errors.Join(fmt.Errorf("lock the lab: %w", err), file.Close())
		}
		if same(file, p.lock()) {
			_ = file.Truncate(0)
			if _, err := fmt.Fprintf(file, "%d\n", os.Getpid()); err != nil {
				return nil, errors.Join(fmt.Errorf("write the lab's lock: %w", err), file.Close())
			}
			return file, nil
		}
		_ = file.Close()
	}
}

var errRunning = errors.New("is already running; `orchestrator lab down` ends it, another --name starts another")

func same(file *os.File, path string) bool {
	a, errA := file.Stat()
	b, errB := os.Stat(path)
	return errA == nil && errB == nil && os.SameFile(a, b)
}

// sweep removes everything of a lab but its folder's lock, settings and control
// socket, and does not mind what is not there. It goes by names and by what is
// in the namespaces, so that it works whatever became of the owner.
func sweep(p place, clean func(home string) error) error {
	names, err := namespacesOf(p)
	if err != nil {
		return err
	}
	var errs []error
	for _, name := range names {
		errs = append(errs, empty(filepath.Join(namespaces, name)))
	}
	homes, err := filepath.Glob(filepath.Join(p.dir, "n*", "home"))
	if err != nil {
		return fmt.Errorf("list the homes of lab %s: %w", p.name, err)
	}
	for _, home := range homes {
		if clean != nil {
			if err := clean(home); err != nil {
				errs = append(errs, fmt.Errorf("clean up after %s: %w", home, err))
			}
		}
		errs = append(errs, os.RemoveAll(filepath.Dir(home)))
	}
	for _, name := range names {
		errs = append(errs, unlink(name), deleteNamespace(name))
	}
	return errors.Join(errs...)
}

func removeDir(p place) error {
	if err := os.RemoveAll(p.dir); err != nil {
		return fmt.Errorf("remove the lab's folder: %w", err)
	}
	_ = os.Remove(filepath.Dir(p.dir)) // stays when other labs are in it
	return nil
}

// empty kills every process in a namespace and waits for their end.
func empty(path string) error {
	deadline := time.Now().Add(10 * time.Second)
	for {
		reached, err := signalAll(path, syscall.SIGKILL)
		if errors.Is(err, unix.ENOENT) {
			return nil
		}
		if err != nil || reached == 0 {
			return err
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("%d processes in %s do not die", reached, path)
		}
		time.Sleep(5 * time.Millisecond)
	}
}

// unlink deletes the links of a namespace: the kernel would do it too, but at a
// time of its own.
func unlink(name string) error {
	ns, err := netns.GetFromName(name)
	if err != nil {
		return nil //nolint:nilerr // a name without a namespace has no links
	}
	defer ns.Close()
	h, err := netlink.NewHandleAt(ns, unix.NETLINK_ROUTE)
	if err != nil {
		return nil //nolint:nilerr // the file is no namespace: half made
	}
	defer h.Close()
	links, err := h.LinkList()
	if err != nil && !errors.Is(err, netlink.ErrDumpInterrupted) {
		return fmt.Errorf("list the links of %s: %w", name, err)
	}
	var errs []error
	for _, link := range links {
		if kind := link.Type(); kind != "veth" && kind != "bridge" {
			continue
		}
		if err := h.LinkDel(link); err != nil && !errors.As(err, new(netlink.LinkNotFoundError)) && !errors.Is(err, unix.ENODEV) {
			errs = append(errs, fmt.Errorf("delete link %s of %s: %w", link.Attrs().Name, name, err))
		}
	}
	return errors.Join(errs...)
}
