package main

import (
	"cmp"
	"fmt"
	"net"
	"net/netip"
	"regexp"
	"slices"
	"strings"
)

// alias gives every name and address another one, always the same.
type alias struct {
	names     *regexp.Regexp    // all of them, the longest first; nil if there are none
	called    map[string]string // by name in lower case
	addresses map[netip.Addr]string
	macs      map[string]string // by MAC as net.HardwareAddr writes it
	bare      *regexp.Regexp    // the same MACs without separators; nil before they are known
}

// plainNames are names that tell nothing, and stand in many places.
var plainNames = []string{"", "cluster", "localhost", "localhost.localdomain", "node", "module", "server", "daemon", "admin", "root", "control", "monitor"}

func newAlias(known identities) *alias {
	a := &alias{called: map[string]string{}, addresses: map[netip.Addr]string{}, macs: map[string]string{}}
	for _, k := range []struct {
		kind  string
		names []string
	}{
		{"node", known.nodes}, {"module", known.modules}, {"cluster", []string{known.cluster}}, {"host", known.hosts}, {"user", known.users},
	} {
		n := 0
		for _, name := range slices.Sorted(slices.Values(k.names)) {
			name = strings.ToLower(name)
			if slices.Contains(plainNames, name) || a.called[name] != "" {
				continue
			}
			n++
			a.called[name] = fmt.Sprintf("%s-%d", k.kind, n)
		}
	}
	var all []string
	for name := range a.called {
		all = append(all, name)
	}
	a.names = oneOf(all)
	return a
}

// oneOf matches any of some texts in any case, the longest that fits; nil if there are
// none.
func oneOf(texts []string) *regexp.Regexp {
	if len(texts) == 0 {
		return nil
	}
	slices.SortFunc(texts, func(a, b string) int { return cmp.Or(len(b)-len(a), strings.Compare(a, b)) })
	for i, t := range texts {
		texts[i] = regexp.QuoteMeta(t)
	}
	return regexp.MustCompile("(?i:" + strings.Join(texts, "|") + ")")
}

var (
	macLike  = regexp.MustCompile(`[0-9A-Fa-f]{2}([:-])[0-9A-Fa-f]{2}(?:[:-][0-9A-Fa-f]{2}){4}|[0-9A-Fa-f]{4}(?:\.[0-9A-Fa-f]{4}){2}`)
	ipLike   = regexp.MustCompile(`[0-9A-Fa-f]{0,4}(?::[0-9A-Fa-f]{0,4}){2,7}(?:[0-9]*(?:\.[0-9]+){3})?|[0-9]+(?:\.[0-9]+)+`)
	mailLike = regexp.MustCompile(`[0-9A-Za-z._%+-]+@[0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)+`)
	urlLike  = regexp.MustCompile(`[a-z][a-z0-9+]*://(?:[^/@\s"'<>]*@)?([0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)+)`)
	// whoLike is how an entry tells of a person: from where they came stands behind.
	whoLike = regexp.MustCompile(`"(?:text|by|reason)": ?"(?:[^"]*? asked for by )?([^":]{1,64}?) from \[?[0-9A-Fa-f.:]+`)
	// hostValue are settings that name a host.
	hostValue = regexp.MustCompile(`\b(?:addr|host|server|name)\s*=\s*["']([0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)+)["']`)
)

// replace replaces names and addresses in all files and their names.
func (a *alias) replace(list []exhibit) {
	for _, e := range list {
		macLike.ReplaceAllStringFunc(string(e.text), a.mac)
	}
	var bare []string
	for mac := range a.macs {
		bare = append(bare, strings.ReplaceAll(mac, ":", ""))
	}
	a.bare = oneOf(bare)
	for i := range list {
		list[i].text = []byte(a.text(string(list[i].text)))
		list[i].name = a.name(list[i].name)
	}
}

func (a *alias) text(text string) string {
	text = macLike.ReplaceAllStringFunc(text, a.mac)
	if a.bare != nil {
		text = a.bare.ReplaceAllStringFunc(text, func(hex string) string { return strings.ReplaceAll(a.mac(spaced(hex)), ":", "") })
	}
	text = ipLike.ReplaceAllStringFunc(text, a.address)
	return a.name(mailLike.ReplaceAllStringFunc(text, func(string) string { return "somebody@example.com" }))
}

// spaced is a bare MAC with its colons.
func spaced(hex string) string {
	var parts []string
	for i := 0; i+2 <= len(hex); i += 2 {
		parts = append(parts, hex[i:i+2])
	}
	return strings.Join(parts, ":")
}

// shortName is as long as a name may be that is not looked for within words: n1 is in
// too many.
const shortName = 3

// name replaces names, also inside of words, as shop_db and www.shop.example tell of
// shop; but short ones only where no letter or digit stands beside.
func (a *alias) name(text string) string {
	if a.names == nil {
		return text
	}
	var b strings.Builder
	for at := 0; ; {
		found := a.names.FindStringIndex(text[at:])
		if found == nil {
			b.WriteString(text[at:])
			return b.String()
		}
		from, to := at+found[0], at+found[1]
		if to-from <= shortName && (letterAt(text, from-1) || letterAt(text, to)) {
			b.WriteString(text[at : from+1])
			at = from + 1
			continue
		}
		b.WriteString(text[at:from] + a.called[strings.ToLower(text[from:to])])
		at = to
	}
}

func letterAt(text string, i int) bool {
	if i < 0 || i >= len(text) {
		return false
	}
	c := text[i]
	return c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
}

func (a *alias) mac(text string) string {
	mac, err := net.ParseMAC(text)
	if err != nil || len(mac) != 6 {
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
	if err != nil {
		return text
	}
	ip = ip.Unmap()
	if ip.IsLoopback() || ip.IsUnspecified() || ip.IsMulticast() || strings.HasPrefix(text, "255.") {
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

// mentioned are hosts and people that the files speak of by name: in URLs, in settings
// that name a host, in what the journal tells of who asked for something. domains are
// those that this server searches, and all that ends in one is a host.
func mentioned(list []exhibit, domains []string) (hosts, users []string) {
	note := func(into *[]string, name string) {
		if name != "" && !slices.Contains(*into, name) {
			*into = append(*into, name)
		}
	}
	for _, d := range domains {
		note(&hosts, d)
	}
	for _, e := range list {
		for _, re := range []*regexp.Regexp{urlLike, hostValue} {
			for _, m := range re.FindAllSubmatch(e.text, -1) {
				if name := string(m[1]); strings.ContainsAny(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ") && !strings.HasSuffix(name, "example.com") {
					note(&hosts, name)
					note(&hosts, domainOf(name))
				}
			}
		}
		for _, m := range whoLike.FindAllSubmatch(e.text, -1) {
			note(&users, string(m[1]))
		}
	}
	return hosts, users
}

// domainOf is what a host's name ends with, if that is more than a top-level domain.
func domainOf(host string) string {
	_, domain, _ := strings.Cut(host, ".")
	if !strings.Contains(domain, ".") {
		return ""
	}
	return domain
}

// searched are the domains in which this server looks for hosts (resolv.conf(5)), and
// its own.
func searched(resolvConf, hostname string) []string {
	list := []string{domainOf(hostname)}
	for line := range strings.Lines(resolvConf) {
		words := strings.Fields(line)
		if len(words) > 1 && (words[0] == "search" || words[0] == "domain") {
			list = append(list, words[1:]...)
		}
	}
	return slices.DeleteFunc(list, func(d string) bool { return !strings.Contains(strings.Trim(d, "."), ".") })
}
