package main

import (
	"archive/zip"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"

	"github.com/spf13/cobra"

	"github.com/orchestrator-ha/orchestrator/core/control"
)

const snapshotLong = `Pack what is needed to understand what happened on this server into an archive:
status, cluster, modules with their configuration and hooks, what their resources
were, plugins, the journal with what hooks printed, the packet filter, versions. What cannot be had, because
the daemon does not run, is told in the archive in its place.

Keys and certificates are left out, and what is called password, secret, token or
the like is blotted out wherever its value stands. With --anonymize names of servers,
clusters and modules, hosts and domains in URLs and settings, people, mail addresses, IP and
MAC addresses are replaced, the same one by the same one everywhere, inside of words and
paths, too: the story stays, the network is not told. Look it through all the same before
you hand it over: hooks may print anything.`

func snapshotCommand(a *app) *cobra.Command {
	var anonymize bool
	c := a.jsonFlag(&cobra.Command{
		Use: "snapshot FILE", Short: "Pack what tells of this server into an archive, for support", Args: cobra.ExactArgs(1), Long: snapshotLong,
		Example: "  orchestrator snapshot /tmp/web1.zip\n  orchestrator snapshot /tmp/web1.zip --anonymize",
	})
	c.Flags().BoolVar(&anonymize, "anonymize", false, "replace names and addresses")
	c.RunE = func(cmd *cobra.Command, args []string) error {
		return a.writeSnapshot(cmd.Context(), args[0], anonymize)
	}
	return c
}

// exhibit is a file of a snapshot.
type exhibit struct {
	name string
	text []byte
}

func (a *app) writeSnapshot(ctx context.Context, file string, anonymize bool) error {
	home, err := a.homeDir()
	if err != nil {
		return err
	}
	list, known := a.gather(ctx, home)
	blot(list, known.set)
	if anonymize {
		resolv, _ := os.ReadFile("/etc/resolv.conf") // where there is none, nothing is searched
		host, _ := os.Hostname()
		known.hosts, known.users = mentioned(list, searched(string(resolv), host))
		newAlias(known).replace(list)
	}
	if err := writeZip(file, list); err != nil {
		return err
	}
	if a.json {
		var names []string
		for _, e := range list {
			names = append(names, e.name)
		}
		return a.printJSON(map[string]any{"file": file, "files": names})
	}
	_, err = fmt.Fprintf(a.stdout, "%s written, with %d files\n", file, len(list))
	return err
}

// identities are the names and settings that a snapshot speaks of.
type identities struct {
	nodes, modules []string
	cluster        string
	hosts, users   []string // that the files mention; see mentioned
	set            map[string]string
}

// gather collects the files. What cannot be read becomes a file that says so.
func (a *app) gather(ctx context.Context, home string) ([]exhibit, identities) {
	var list []exhibit
	known := identities{set: map[string]string{}}
	add := func(name string, v any, err error) {
		text, wrong := json.MarshalIndent(v, "", "  ")
		if err = errors.Join(err, wrong); err != nil {
			name, text = name+".missing", []byte(err.Error()+"\n")
		}
		list = append(list, exhibit{name, text})
	}
	client := control.NewClient(socketOf(home))
	var (
		status  control.Status
		cluster control.ClusterStatus
		modules []control.ModuleInfo
		plugins []control.PluginInfo
	)
	for _, q := range []struct {
		name, path string
		into       any
	}{
		{"status.json", "/v1/status", &status}, {"cluster.json", "/v1/cluster", &cluster},
		{"modules.json", "/v1/modules", &modules}, {"plugins.json", "/v1/plugins", &plugins},
	} {
		err := client.Get(ctx, q.path, q.into)
		add(q.name, q.into, err)
	}
	host, _ := os.Hostname()
	known.cluster, known.nodes = cluster.Name, []string{host}
	for _, n := range cluster.Nodes {
		known.nodes = append(known.nodes, n.Name)
	}
	for _, m := range modules {
		known.modules = append(known.modules, m.Name)
		for name, value := range m.Set {
			known.set[name] = value
		}
	}
	for _, m := range modules {
		var changes []control.Change
		err := client.Get(ctx, modulePath(m.Name)+"/history", &changes)
		add("history/"+m.Name+".json", changes, err)
	}
	filter, _, err := a.snapshot()
	add("filter.json", filter, err)
	add("version.json", map[string]string{"program": version(), "daemon": status.Version, "go": runtime.Version(), "system": runtime.GOOS + "/" + runtime.GOARCH, "kernel": kernel()}, nil)
	list = append(list, a.journal(ctx, client))
	files, left := configurations(home)
	return append(append(list, files...), left), known
}

// kernel is the version of the operating system, where it says so.
func kernel() string {
	text, err := os.ReadFile("/proc/version")
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(text))
}

// journalLines limits how much of the journal goes along.
const journalLines = "100000"

func (a *app) journal(ctx context.Context, client *control.Client) exhibit {
	var b bytes.Buffer
	encoder := json.NewEncoder(&b)
	err := client.Log(ctx, url.Values{"limit": {journalLines}}, func(e control.LogEntry) error { return encoder.Encode(e) })
	if err != nil {
		return exhibit{"journal.jsonl.missing", append(b.Bytes(), err.Error()+"\n"...)}
	}
	return exhibit{"journal.jsonl", b.Bytes()}
}

// keyFiles are names of files that hold keys, at their ends.
var keyFiles = []string{".p12", ".pfx", ".key", ".pem", ".crt", ".jks", ".keytab", ".htpasswd", ".pgpass", "modulekey.dat"}

// keyText is in files with private keys, whatever they are called (RFC 7468; OpenSSH's and
// PGP's are alike).
var keyText = regexp.MustCompile(`-----BEGIN [A-Z0-9 ]*PRIVATE KEY( BLOCK)?-----`)

// fileLimit is the largest file of a module that goes along, in bytes.
const fileLimit = 1 << 20

// configurations answers the files of all modules, as they run and as they may be
// edited, and a file that tells what was left out.
func configurations(home string) ([]exhibit, exhibit) {
	var list []exhibit
	var left strings.Builder
	for _, folder := range []string{"active", "modules"} {
		root := filepath.Join(home, folder)
		err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() {
				return err
			}
			name, _ := filepath.Rel(home, path) // it lies below
			name = filepath.ToSlash(name)
			info, err := d.Info()
			if err != nil {
				return err
			}
			for _, end := range keyFiles {
				if strings.HasSuffix(strings.ToLower(name), end) {
					fmt.Fprintf(&left, "%s: may hold keys\n", name)
					return nil
				}
			}
			if !info.Mode().IsRegular() || info.Size() > fileLimit {
				fmt.Fprintf(&left, "%s: no file, or larger than 1 MiB\n", name)
				return nil
			}
			text, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			if keyText.Match(text) {
				fmt.Fprintf(&left, "%s: holds a private key\n", name)
				return nil
			}
			list = append(list, exhibit{name, text})
			return nil
		})
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			fmt.Fprintf(&left, "%s: %v\n", folder, err)
		}
	}
	return list, exhibit{"left-out.txt", []byte(left.String())}
}

// writeZip writes the archive for its owner alone.
func writeZip(file string, list []exhibit) error {
	out, err := os.OpenFile(file, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("write the snapshot: %w", err)
	}
	z := zip.NewWriter(out)
	for _, e := range list {
		w, err := z.Create(e.name)
		if err == nil {
			_, err = w.Write(e.text)
		}
		if err != nil {
			return errors.Join(fmt.Errorf("write the snapshot: %w", err), out.Close())
		}
	}
	return errors.Join(z.Close(), out.Close())
}
