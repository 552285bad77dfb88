// Package modules holds the sources of the modules that come with the product.
// They are in the program, so that they can be installed by name with nothing
// else present, and are built into .safe archives by make.
package modules

import (
	"embed"
	"io/fs"
	"slices"
	"strings"
)

//go:embed farm light mirror web_farm nginx_farm apache_farm iis_farm dns_farm postgresql mariadb
var sources embed.FS

// Names are the modules that come with the product, sorted, without .safe.
func Names() []string {
	entries, err := sources.ReadDir(".")
	if err != nil {
		return nil // an embedded root cannot be missing
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

// Builtin is the content of a module that comes with the product, by its name
// with or without .safe.
func Builtin(name string) (fs.FS, bool) {
	name = strings.TrimSuffix(name, ".safe")
	if !slices.Contains(Names(), name) {
		return nil, false
	}
	sub, err := fs.Sub(sources, name)
	return sub, err == nil
}
