package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// A file with a private key stays here, whatever it is called; that it did is told.
func TestKeysStayHere(t *testing.T) {
	home := t.TempDir()
	conf := filepath.Join(home, "active", "web", "conf")
	if err := os.MkdirAll(conf, 0o700); err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{
		"site.conf": "port 80 # -----BEGIN CERTIFICATE-----", "tls": "x\n-----BEGIN EC PRIVATE KEY-----\nMHc\n", "id": "-----BEGIN OPENSSH PRIVATE KEY-----",
		"pkcs8": "-----BEGIN PRIVATE KEY-----", "pgp": "-----BEGIN PGP PRIVATE KEY BLOCK-----", "server.key": "",
	} {
		if err := os.WriteFile(filepath.Join(conf, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	list, left := configurations(home)
	if len(list) != 1 || list[0].name != "active/web/conf/site.conf" {
		t.Errorf("it has %d files: %.300v", len(list), list)
	}
	for _, name := range []string{"tls", "id", "pkcs8", "pgp", "server.key"} {
		if !strings.Contains(string(left.text), "active/web/conf/"+name+": ") {
			t.Errorf("it does not tell that %s is left out:\n%s", name, left.text)
		}
	}
}
