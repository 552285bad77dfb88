package main

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"html"
	"net"
	"net/netip"
	"regexp"
	"slices"
	"strings"
)

// secretName is in the names of what must not be told.
var secretName = regexp.MustCompile(`(?i)passw|passphrase|secret|token|credential|api_?key|private_?key`)

// namedValue is an element of userconfig.xml that gives a name a value; in either
// order.
var namedValue = regexp.MustCompile(`\bname\s*=\s*["']([^"']*)["'][^<>]*?\bvalue\s*=\s*(?:"([^"]*)"|'([^']*)')|\bvalue\s*=\s*(?:"([^"]*)"|'([^']*)')[^<>]*?\bname\s*=\s*["']([^"']*)["']`)

// blotted stands for a secret.
const blotted = "(secret)"

// blot removes secrets: values of macros and variables that are called so, wherever
// they stand.
func blot(list []exhibit, set map[string]string) {
	found := map[string]bool{}
	note := func(name, value string) {
		if secretName.MatchString(name) && value != "" && !strings.HasPrefix(value, "%") {
			found[value] = true
			found[html.UnescapeString(value)] = true
		}
	}
	for name, value := range set {
		note(name, value)
	}
	for _, e := range list {
		for _, m := range namedValue.FindAllSubmatch(e.text, -1) {
			note(cmp.Or(string(m[1]), string(m[6])), cmp.Or(string(m[2]), string(m[3]), string(m[4]), string(m[5])))
		}
	}
	var secrets []string
	for s := range found {
		secrets = append(secrets, s)
	}
	slices.SortFunc(secrets, func(a, b string) int { return cmp.Or(len(b)-len(a), strings.Compare(a, b)) }) // the whole before its parts
	for i := range list {
		for _, s := range secrets {
			list[i].text = erased(list[i].text, s)
		}
	}
}

// shortSecret is as long as a secret may be that is not looked for in the middle of a
// text, where it would be a part of many words.
const shortSecret = 3

// erased is text without a secret, as it is or as JSON writes it.
func erased(text []byte, secret string) []byte {
	quoted, err := json.Marshal(secret)
	if err != nil {
		return text // a string can always be written
	}
	if len(secret) <= shortSecret {
		for _, q := range []string{`"`, "'"} {
			text = bytes.ReplaceAll(text, []byte(q+secret+q), []byte(q+blotted+q))
		}
		return text
	}
	text = bytes.ReplaceAll(text, []byte(secret), []byte(blotted))
	return bytes.ReplaceAll(text, quoted[1:len(quoted)-1], []byte(blotted))
}

// alias gives every name and address another one, always the same.
type alias struct {
	names     []*regexp.Regexp // with what replaces each
	aliases   []string
	addresses map[netip.Addr]string
	macs      map[string]string
}

func newAlias(known identities) *alias {
	a := &alias{addresses: map[netip.Addr]string{}, macs: map[string]string{}}
	add := func(kind string, names ...string) {
		names = slices.DeleteFunc(slices.Compact(slices.Sorted(slices.Values(names))), func(n string) bool { return n == "" })
		for i, n := range names {
			a.names = append(a.names, regexp.MustCompile(`(^|[^0-9A-Za-z])`+regexp.QuoteMeta(n)+`\b`))
			a.aliases = append(a.aliases, fmt.Sprintf("${1}%s-%d", kind, i+1))
		}
	}
	add("node", known.nodes...)
	add("module", known.modules...)
	add("cluster", known.cluster)
	return a
}

var (
	macLike  = regexp.MustCompile(`\b[0-9A-Fa-f]{2}([:-])[0-9A-Fa-f]{2}(?:[:-][0-9A-Fa-f]{2}){4}\b`)
	ipv4Like = regexp.MustCompile(`\b\d{1,3}(?:\.\d{1,3}){3}\b`)
	ipv6Like = regexp.MustCompile(`[0-9A-Fa-f]{0,4}(?::[0-9A-Fa-f]{0,4}){2,7}`)
)

// replace replaces names and addresses in all files and their names.
func (a *alias) replace(list []exhibit) {
	for i := range list {
		list[i].text = []byte(a.text(string(list[i].text)))
		list[i].name = a.name(list[i].name)
	}
}

func (a *alias) text(text string) string {
	text = macLike.ReplaceAllStringFunc(text, a.mac)
	text = ipv4Like.ReplaceAllStringFunc(text, a.address)
	text = ipv6Like.ReplaceAllStringFunc(text, a.address)
	return a.name(text)
}

func (a *alias) name(text string) string {
	for i, re := range a.names {
		text = re.ReplaceAllString(text, a.aliases[i])
	}
	return text
}

func (a *alias) mac(text string) string {
	mac, err := net.ParseMAC(text)
	if err != nil {
		return text
	}
	key := mac.String()
	if a.macs[key] == "" {
		n := len(a.macs) + 1
		a.macs[key] = fmt.Sprintf("02:00:00:00:%02x:%02x", n>>8&0xff, n&0xff) // locally administered
	}
	return a.macs[key]
}

// address replaces an address by one that is for tests and documentation (RFC 2544,
// RFC 3849); those that say nothing of the network stay.
func (a *alias) address(text string) string {
	ip, err := netip.ParseAddr(text)
	if err != nil || ip.IsLoopback() || ip.IsUnspecified() || ip.IsMulticast() || strings.HasPrefix(text, "255.") {
		return text
	}
	if a.addresses[ip] == "" {
		n := len(a.addresses) + 1
		a.addresses[ip] = fmt.Sprintf("198.%d.%d.%d", 18+n>>16&1, n>>8&0xff, n&0xff)
		if ip.Is6() {
			a.addresses[ip] = fmt.Sprintf("2001:db8::%x", n)
		}
	}
	return a.addresses[ip]
}
