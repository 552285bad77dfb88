package main

import (
	"slices"
	"strings"
	"testing"
)

// The same name or address is replaced by the same one, in every file.
func TestAlias(t *testing.T) {
	a := newAlias(identities{nodes: []string{"web1", "web10", "n1"}, modules: []string{"shop"}, cluster: "prod"})
	list := []exhibit{
		{"modules/shop/conf/userconfig.xml", []byte(`addr="192.0.2.10" netmask="255.255.255.0" MAC 5A-FE-c0-00-02-0a`)},
		{"journal.jsonl", []byte(`at 08:00:00.123 shop on web1, web10 of prod: 192.0.2.10:80 and [2001:db8:1::7]:80, 2001:db8:1:0::7, 127.0.0.1, ::1, 0.0.0.0, 5a:fe:c0:00:02:0a, version 0.1.0`)},
	}
	a.replace(list)
	want := []exhibit{
		{"modules/module-1/conf/userconfig.xml", []byte(`addr="198.18.0.1" netmask="255.255.255.0" MAC 02:00:00:00:00:01`)},
		{"journal.jsonl", []byte(`at 08:00:00.123 module-1 on node-2, node-3 of cluster-1: 198.18.0.1:80 and [2001:db8::2]:80, 2001:db8::2, 127.0.0.1, ::1, 0.0.0.0, 02:00:00:00:00:01, version 0.1.0`)},
	}
	for i := range want {
		if list[i].name != want[i].name || string(list[i].text) != string(want[i].text) {
			t.Errorf("got  %s %s\nwant %s %s", list[i].name, list[i].text, want[i].name, want[i].text)
		}
	}
}

// What tells of the network is replaced wherever it hides.
func TestAliasInsideOfWords(t *testing.T) {
	list := []exhibit{{"conf.xml", []byte(`<tcp><to addr="db7.intern.acme.org"/></tcp> http://user:pw@ldap.acme.org:389/x 5a:fe:c0:00:02:0a`)}, {"journal.jsonl", []byte(`{"text":"anna from 10.0.0.9 asks for stop of shop."}`)}}
	hosts, users := mentioned(list, []string{"corp.example.net"})
	if !slices.Equal(users, []string{"anna"}) {
		t.Errorf("people: %q", users)
	}
	a := newAlias(identities{nodes: []string{"web1", "n1"}, modules: []string{"shop"}, cluster: "cluster", hosts: hosts, users: users})
	a.replace(list)
	for text, want := range map[string]string{
		"shop_db of myshop.service, SHOP": "module-1_db of mymodule-1.service, module-1",
		"WEB1.corp.example.net":           "node-2.host-2",
		"/srv/web1/shop2":                 "/srv/node-2/module-12",
		"n1 N1 n1_x n10 dn1":              "node-1 node-1 node-1_x n10 dn1", // too short to be looked for within words
		"mail of anna.k@acme.org to anna": "mail of somebody@example.com to user-1",
		"db7.intern.acme.org, acme.org":   "host-3, host-1",
		"v10.0.0.9x ip10.0.0.9":           "v198.18.0.1x ip198.18.0.1",
		"::ffff:10.0.0.9":                 "198.18.0.1",
		"mac 5afec000020a 5afe.c000.020a": "mac 020000000001 02:00:00:00:00:01",
		"the cluster on localhost":        "the cluster on localhost",
		"1.2.3 and 1.2.3.4.5":             "1.2.3 and 1.2.3.4.5",
	} {
		if got := a.text(text); got != want {
			t.Errorf("%q becomes %q, want %q (%v)", text, got, want, a.called)
		}
	}
	for _, e := range list {
		for _, leak := range []string{"db7", "ldap", "anna", "acme", "shop"} {
			if strings.Contains(string(e.text), leak) {
				t.Errorf("%s tells %s: %s", e.name, leak, e.text)
			}
		}
	}
}

func TestSearched(t *testing.T) {
	got := searched("# search no.example\nsearch corp.example.net lan.\nnameserver 10.0.0.1\ndomain acme.org\n", "web1.dc2.acme.org")
	if want := []string{"dc2.acme.org", "corp.example.net", "acme.org"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}
