// Package config reads a module: conf/userconfig.xml and the names of its
// hooks, checked against one table of the language (see Schema) into values
// that keep their positions. Nothing but the given files is looked at: no
// network, no daemon, no system calls, so a module can be checked anywhere.
//
// All problems of a module are reported together. The language is described
// in docs/modules.md, each problem in docs/problems.md.
package config
