package lab

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"

	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"
)

// namespaces is where ip-netns(8) looks for names.
const namespaces = "/run/netns"

// inside calls do on a thread that is in the namespace. The thread comes back
// before inside returns; one that cannot is not used again.
func inside(ns netns.NsHandle, do func() error) error {
	result := make(chan error, 1)
	go func() {
		runtime.LockOSThread()
		home, err := netns.Get()
		if err != nil {
			result <- fmt.Errorf("read the thread's network namespace: %w", err)
			return
		}
		defer home.Close()
		if err := netns.Set(ns); err != nil {
			runtime.UnlockOSThread()
			result <- fmt.Errorf("enter a network namespace: %w", err)
			return
		}
		err = do()
		if back := netns.Set(home); back == nil {
			runtime.UnlockOSThread()
		}
		result <- err
	}()
	return <-result
}

// createNamespace makes a namespace that ip-netns(8) sees, too.
func createNamespace(name string) (netns.NsHandle, error) {
	host, err := netns.Get()
	if err != nil {
		return netns.None(), fmt.Errorf("read the host's network namespace: %w", err)
	}
	defer host.Close()
	created := netns.None()
	// NewNamed leaves the thread in the new namespace; inside brings it back.
	err = inside(host, func() error {
		created, err = netns.NewNamed(name)
		return err
	})
	if err != nil {
		return netns.None(), fmt.Errorf("create network namespace %s: %w", name, err)
	}
	return created, nil
}

func deleteNamespace(name string) error {
	err := netns.DeleteNamed(name)
	if err == nil || errors.Is(err, os.ErrNotExist) {
		return nil
	}
	// A file that is no mount any more is left over from a run that was killed
	// half-way.
	if errors.Is(err, unix.EINVAL) {
		err = os.Remove(filepath.Join(namespaces, name))
	}
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("delete network namespace %s: %w", name, err)
	}
	return nil
}

// namespacesOf lists the namespaces of a lab that exist.
func namespacesOf(p place) ([]string, error) {
	entries, err := os.ReadDir(namespaces)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("list network namespaces: %w", err)
	}
	var names []string
	for _, entry := range entries {
		if p.owns(entry.Name()) {
			names = append(names, entry.Name())
		}
	}
	return names, nil
}
