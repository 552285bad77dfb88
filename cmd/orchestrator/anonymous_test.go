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

// The same name or address is replaced by the same one, in every file.
func TestAlias(t *testing.T) {
	a := newAlias(identities{nodes: []string{"web1", "web10"}, modules: []string{"shop"}, cluster: "prod"})
	list := []exhibit{
		{"modules/shop/conf/userconfig.xml", []byte(`addr="192.0.2.10" netmask="255.255.255.0" MAC 5A-FE-c0-00-02-0a`)},
		{"journal.jsonl", []byte(`at 08:00:00.123 shop on web1, web10 of prod: 192.0.2.10:80 and [2001:db8:1::7]:80, 2001:db8:1:0::7, 127.0.0.1, ::1, 0.0.0.0, 5a:fe:c0:00:02:0a, workshop, version 0.1.0`)},
	}
	a.replace(list)
	want := []exhibit{
		{"modules/module-1/conf/userconfig.xml", []byte(`addr="198.18.0.1" netmask="255.255.255.0" MAC 02:00:00:00:00:01`)},
		{"journal.jsonl", []byte(`at 08:00:00.123 module-1 on node-1, node-2 of cluster-1: 198.18.0.1:80 and [2001:db8::2]:80, 2001:db8::2, 127.0.0.1, ::1, 0.0.0.0, 02:00:00:00:00:01, workshop, version 0.1.0`)},
	}
	for i := range want {
		if list[i].name != want[i].name || string(list[i].text) != string(want[i].text) {
			t.Errorf("got  %s %s\nwant %s %s", list[i].name, list[i].text, want[i].name, want[i].text)
		}
	}
}
