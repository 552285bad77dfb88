package control_test

import (
	"testing"

	"github.com/orchestrator-ha/orchestrator/core/control"
)

// What secrets are called, and what only looks like it.
func TestSecretName(t *testing.T) {
	for name, want := range map[string]bool{
		"DB_PASSWORD": true, "db.passwd": true, "DB_PASS": true, "PASS": true, "ADMIN_PWD": true, "PWD_ADMIN": true, "WLAN_PSK": true,
		"API_KEY": true, "apikey": true, "ACCESS_KEY": true, "AUTH_TOKEN": true, "CLIENT_SECRET": true, "PASSPHRASE": true,
		"PORT": false, "BYPASS": false, "COMPASS_URL": false, "KEYBOARD": false, "AUTHOR": false, "PASSENGERS": false, "SORT_KEY": false,
	} {
		if got := control.SecretName(name); got != want {
			t.Errorf("%s: %t", name, got)
		}
	}
}
