package main

import (
	"archive/zip"
	"context"
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/orchestrator-ha/orchestrator/core/config"
)

const someCluster = `<cluster><lans>
  <lan name="default"><node name="web1" addr="web1.example.com"/><node name="web2" addr="203.0.113.2" laddr="10.0.0.2"/></lan>
  <lan name="backup"><node name="web1" addr="10.1.0.1"/><node name="web2" addr="10.1.0.2"/></lan>
</lans></cluster>`

// A server finds itself in a cluster.xml by its addresses, also one that is translated on the
// way to it, or else by its name; names in the place of addresses are looked up.
func TestClusterOfAFile(t *testing.T) {
	c, problems := config.ParseCluster([]byte(someCluster), "cluster.xml")
	if c == nil {
		t.Fatal(problems)
	}
	find := func(_ context.Context, _, host string) ([]netip.Addr, error) {
		if host != "web1.example.com" {
			return nil, errors.New("no such host")
		}
		return []netip.Addr{netip.MustParseAddr("10.0.0.1")}, nil
	}
	if err := lookUp(t.Context(), c, find); err != nil {
		t.Fatal(err)
	}
	for _, one := range []struct{ addresses, host, want, wrong string }{
		{"127.0.0.1/8 10.0.0.1/24", "localhost", "web1", ""},
		{"127.0.0.1/8 10.0.0.2/24", "localhost", "web2", ""},
		{"10.9.9.9/24", "web2.example.com", "web2", ""},
		{"10.9.9.9/24", "other", "", "none of web1, web2: it has none of their addresses, and its name is other"},
		{"10.0.0.1/24 10.1.0.2/24", "web1", "", "more than one node: web1, web2"},
	} {
		var mine []net.Addr
		for text := range strings.FieldsSeq(one.addresses) {
			ip, of, err := net.ParseCIDR(text)
			if err != nil {
				t.Fatal(err)
			}
			mine = append(mine, &net.IPNet{IP: ip, Mask: of.Mask})
		}
		got, err := whoAmI(c, mine, one.host)
		if got != one.want || (err == nil) != (one.wrong == "") || err != nil && !strings.Contains(err.Error(), one.wrong) {
			t.Errorf("%s, %s: %q %v", one.addresses, one.host, got, err)
		}
	}
	c.Lans[0].Nodes[0].Addr, c.Lans[0].Nodes[1].Local = "nowhere", "many"
	err := lookUp(t.Context(), c, func(_ context.Context, _, host string) ([]netip.Addr, error) {
		if host == "many" {
			return make([]netip.Addr, 2), nil
		}
		return find(t.Context(), "ip", host)
	})
	if err == nil || !strings.Contains(err.Error(), "cluster.xml:2:24: node web1 on default: look up nowhere") || !strings.Contains(err.Error(), "many has 2 addresses") {
		t.Errorf("%v", err)
	}
}

// The description may lie in a zip archive, as SafeKit's console gives it out.
func TestClusterInAnArchive(t *testing.T) {
	dir := t.TempDir()
	for name, inside := range map[string]string{"good.zip": "cluster/cluster.xml", "bad.zip": "other.xml"} {
		f, err := os.Create(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		z := zip.NewWriter(f)
		w, err := z.Create(inside)
		if err == nil {
			_, err = io.WriteString(w, someCluster)
		}
		if err = errors.Join(err, z.Close(), f.Close()); err != nil {
			t.Fatal(err)
		}
	}
	if text, err := readCluster(filepath.Join(dir, "good.zip")); err != nil || string(text) != someCluster {
		t.Errorf("%q %v", text, err)
	}
	if _, err := readCluster(filepath.Join(dir, "bad.zip")); err == nil || !strings.Contains(err.Error(), "there is no cluster.xml in") {
		t.Errorf("an archive without one: %v", err)
	}
}
