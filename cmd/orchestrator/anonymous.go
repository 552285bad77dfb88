package main

import (
	"bytes"
	"cmp"
	"encoding/json"
	"html"
	"regexp"
	"slices"
	"strings"

	"github.com/orchestrator-ha/orchestrator/core/control"
)

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
		if control.SecretName(name) && value != "" && !strings.HasPrefix(value, "%") {
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
