package lab

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"
)

// HoldCommand is the hidden command line with which Up starts the process that
// owns a lab; its handler calls Hold.
func HoldCommand(root, name string) []string {
	return []string{"lab", "hold", "--root", root, "--name", name}
}

// Up starts a lab in a detached process and returns when its cluster is
// complete. When ctx ends first, the lab is removed. The functions of o are not
// passed on, but Progress: Hold gets them from its caller.
func Up(ctx context.Context, o Options) (Status, error) {
	o, err := o.complete()
	if err != nil {
		return Status{}, err
	}
	if os.Geteuid() != 0 {
		return Status{}, errors.New("a lab makes network namespaces: run it as root")
	}
	holder, log, err := startHolder(o)
	if err != nil {
		return Status{}, err
	}
	defer log.Close()
	ended := make(chan error, 1)
	go func() { ended <- holder.Wait() }()
	status, err := watchHolder(ctx, o, ended)
	if err == nil {
		return status, nil
	}
	if ctx.Err() != nil {
		_ = holder.Process.Signal(syscall.SIGTERM) // it may be gone already
		<-ended
		err = ctx.Err()
	} else {
		err = fmt.Errorf("%w\n%s", err, words(log))
	}
	// The process cleans up after itself, unless it failed to begin.
	left := Down(context.WithoutCancel(ctx), o.Root, o.Name, o.CleanNode)
	return status, errors.Join(fmt.Errorf("start lab %s: %w", o.Name, err), left)
}

// startHolder leaves the settings in the lab's folder and begins the process.
func startHolder(o Options) (*exec.Cmd, *os.File, error) {
	p := o.place()
	lock, err := own(p)
	if err != nil {
		return nil, nil, err
	}
	text, err := json.Marshal(o)
	if err == nil {
		err = os.WriteFile(p.settings(), text, 0o600)
	}
	if err = errors.Join(err, lock.Close()); err != nil {
		return nil, nil, fmt.Errorf("write the lab's settings: %w", err)
	}
	log, err := os.OpenFile(p.holdLog(), os.O_CREATE|os.O_TRUNC|os.O_RDWR, 0o600)
	if err != nil {
		return nil, nil, fmt.Errorf("open the lab's log: %w", err)
	}
	cmd := exec.Command(o.Program, HoldCommand(o.Root, o.Name)...)
	cmd.Dir = "/"
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := cmd.Start(); err != nil {
		return nil, nil, errors.Join(fmt.Errorf("start the lab's process: %w", err), log.Close())
	}
	return cmd, log, nil
}

// words are what the holder said, though its folder may be gone.
func words(log *os.File) string {
	text, err := io.ReadAll(io.NewSectionReader(log, 0, 1<<16))
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(text))
}

func watchHolder(ctx context.Context, o Options, ended <-chan error) (Status, error) {
	remote, err := Connect(o.Root, o.Name)
	if err != nil {
		return Status{}, err
	}
	told := 0
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return Status{}, ctx.Err()
		case err := <-ended:
			if err == nil {
				err = errors.New("its process ended")
			}
			return Status{}, err
		case <-tick.C:
		}
		status, err := remote.Status(ctx)
		if err != nil {
			continue // not serving yet, or ended: then the process says so
		}
		for _, step := range slices.Clone(status.Steps[min(told, len(status.Steps)):]) {
			told++
			if o.Progress != nil {
				o.Progress(step)
			}
		}
		if status.Phase == Running {
			return status, nil
		}
	}
}

// Hold owns the lab that Up prepared: it builds it and keeps it until ctx ends
// (the caller's signals) or somebody calls Down. Only the functions of hooks
// are used; everything else comes from the lab's folder.
func Hold(ctx context.Context, root, name string, hooks Options) error {
	p, err := placeOf(root, name)
	if err != nil {
		return err
	}
	text, err := os.ReadFile(p.settings())
	if err != nil {
		return fmt.Errorf("read the lab's settings: %w", err)
	}
	var o Options
	if err := json.Unmarshal(text, &o); err != nil {
		return fmt.Errorf("read the lab's settings %s: %w", p.settings(), err)
	}
	o.AttachPass, o.CleanNode, o.Log, o.Progress = hooks.AttachPass, hooks.CleanNode, hooks.Log, hooks.Progress
	l, err := Start(ctx, o)
	if err != nil {
		return err
	}
	select {
	case <-ctx.Done():
	case <-l.Done():
	}
	return l.Close()
}

// Down removes a lab: through its owner when that lives, else what it left. It
// is no error when there is none. clean is Options.CleanNode.
func Down(ctx context.Context, root, name string, clean func(home string) error) error {
	p, err := placeOf(root, name)
	if err != nil {
		return err
	}
	remote, err := Connect(root, name)
	if err != nil {
		return err
	}
	if !leftovers(p) {
		return nil
	}
	for {
		lock, err := own(p)
		if err == nil {
			err := sweep(p, clean)
			return errors.Join(err, removeDir(p), lock.Close())
		}
		if !errors.Is(err, errRunning) {
			return err
		}
		// An owner that has just begun does not listen yet, one that ends no more:
		// what counts is that it lets go of the lock.
		_, last := remote.ask(ctx, "POST", "/down", nil)
		if err := pause(ctx, 50*time.Millisecond); err != nil {
			return fmt.Errorf("wait for the end of lab %s: %w", p.name, errors.Join(err, last))
		}
	}
}

func leftovers(p place) bool {
	if _, err := os.Stat(p.dir); err == nil {
		return true
	}
	names, err := namespacesOf(p)
	return err != nil || len(names) > 0
}

// Labs lists the names of the labs in a folder, running or left behind.
func Labs(root string) ([]string, error) {
	if root == "" {
		root = DefaultRoot
	}
	entries, err := os.ReadDir(root)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("list labs: %w", err)
	}
	var names []string
	for _, entry := range entries {
		if _, err := os.Stat(filepath.Join(root, entry.Name(), "owner.lock")); err == nil && checkName(entry.Name()) == nil {
			names = append(names, entry.Name())
		}
	}
	return names, nil
}
