package main

import (
	"strings"
	"testing"
)

// A secret is blotted out wherever its value stands, not only where it is given.
func TestBlot(t *testing.T) {
	list := []exhibit{
		{"userconfig.xml", []byte(`<macro name="DB_PASSWORD" doc="x" value="hunter2"/><var value='s3cr"et' name='API_TOKEN'/><macro name="PORT" value="80"/><var name="PASSWORD" value="%DB_PASSWORD%"/><var name="PIN_SECRET" value="r"/>`)},
		{"journal.jsonl", []byte(`{"output":"login with hunter2 and s3cr\"et and swordfish on port 80"}`)},
	}
	blot(list, map[string]string{"ADMIN_SECRET": "swordfish", "VIRTUAL_IP": "192.0.2.10"})
	for _, e := range list {
		for _, secret := range []string{"hunter2", `s3cr`, "swordfish", `"r"`} {
			if strings.Contains(string(e.text), secret) {
				t.Errorf("%s tells %s: %s", e.name, secret, e.text)
			}
		}
	}
	if text := string(list[0].text); !strings.Contains(text, `value="80"`) || !strings.Contains(text, "<var") || !strings.Contains(text, "%DB_PASSWORD%") {
		t.Errorf("too much is gone: %s", text)
	}
}
