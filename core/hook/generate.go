package hook

import (
	"fmt"
	"sort"
	"strings"
)

// Stubs is the API in the notation of the Lua language server, for
// lua/meta/orchestrator.d.lua.
func Stubs() string {
	var b strings.Builder
	b.WriteString("---@meta orchestrator\n-- Generated from the table in core/hook. DO NOT EDIT.\nerror(\"this file is for editors and cannot be run\")\n\n")
	b.WriteString("--- A length of time: text as \"10s\", \"1m30s\", \"200ms\", or a number of seconds.\n---@alias duration string|number\n")
	for _, t := range Tables() {
		fmt.Fprintf(&b, "\n%s---@class %s\n", comment(t.Doc), t.Name)
		if t.List != "" {
			fmt.Fprintf(&b, "---@field [integer] %s\n", t.List)
		}
		for _, f := range t.Fields {
			fmt.Fprintf(&b, "---@field %s%s %s %s\n", f.Name, mark(f), f.Type, f.Doc)
		}
		if t.Open && t.Name != "Application" {
			b.WriteString("---@field [string] any\n")
		}
		switch {
		case t.Global != "":
			fmt.Fprintf(&b, "%s = {}\n", t.Global)
		case t.Name == "Application":
			b.WriteString("local Application = {}\n")
		}
	}
	for _, name := range functionTables() {
		fmt.Fprintf(&b, "\n%s = {}\n", name)
	}
	for _, f := range Functions() {
		b.WriteString("\n" + stub(f))
	}
	return b.String()
}

// functionTables are the global tables of the API's own functions.
func functionTables() []string {
	seen := map[string]bool{}
	for _, f := range Functions() {
		if table, _, ok := strings.Cut(f.Name, "."); ok && table != "os" {
			seen[table] = true
		}
	}
	return sortedKeys(seen)
}

func stub(f Function) string {
	var b strings.Builder
	b.WriteString(comment(f.Doc))
	if f.Example != "" {
		b.WriteString("---\n---```lua\n" + comment2(f.Example) + "---```\n")
	}
	var names []string
	for _, p := range f.Params {
		fmt.Fprintf(&b, "---@param %s%s %s %s\n", p.Name, mark(p), p.Type, p.Doc)
		names = append(names, p.Name)
	}
	for _, r := range f.Returns {
		fmt.Fprintf(&b, "---@return %s%s %s %s\n", r.Type, mark(r), r.Name, r.Doc)
	}
	fmt.Fprintf(&b, "function %s(%s) end\n", f.Name, strings.Join(names, ", "))
	return strings.ReplaceAll(b.String(), " \n", "\n")
}

// mark is the question mark of what may be missing.
func mark(p Param) string {
	if p.Optional && p.Name != "..." {
		return "?"
	}
	return ""
}

func comment(text string) string { return "--- " + text + "\n" }

func comment2(text string) string {
	return "---" + strings.ReplaceAll(text, "\n", "\n---") + "\n"
}

// Reference is the API as a section of docs/hooks.md.
func Reference() string {
	var b strings.Builder
	b.WriteString("### Functions\n")
	for _, f := range Functions() {
		fmt.Fprintf(&b, "\n#### `%s`\n\n%s Since %s.\n", Signature(f), f.Doc, f.Since)
		if rows := rows(f.Params); rows != "" {
			b.WriteString("\n" + rows)
		}
		if rows := rows(f.Returns); rows != "" {
			b.WriteString("\nReturns:\n\n" + rows)
		}
		if f.Example != "" {
			b.WriteString("\n```lua\n" + f.Example + "\n```\n")
		}
	}
	b.WriteString("\n### Tables\n\nReading a field that a result does not have raises an error.\n")
	for _, t := range Tables() {
		if len(t.Fields) == 0 && t.List == "" {
			continue
		}
		title := t.Name
		if t.Global != "" {
			title = t.Global + " (" + t.Name + ")"
		}
		fmt.Fprintf(&b, "\n#### %s\n\n%s\n\n", title, t.Doc)
		if t.List != "" {
			fmt.Fprintf(&b, "- `[1]`, `[2]`, …: `%s`\n", t.List)
		}
		b.WriteString(rows(t.Fields))
	}
	b.WriteString("\n### Standard Lua that hooks do not have\n\n| name | use instead |\n|---|---|\n")
	names := sortedKeys(closed)
	sort.Strings(names)
	for _, n := range names {
		fmt.Fprintf(&b, "| `%s` | %s |\n", n, strings.ReplaceAll(closed[n], "|", "\\|"))
	}
	return b.String()
}

// Signature is a function as it is called: exec(command) → result.
func Signature(f Function) string {
	list := func(ps []Param, question bool) string {
		var names []string
		for _, p := range ps {
			n := p.Name
			if question && p.Optional && n != "..." {
				n = "[" + n + "]"
			}
			names = append(names, n)
		}
		return strings.Join(names, ", ")
	}
	s := f.Name + "(" + list(f.Params, true) + ")"
	if len(f.Returns) > 0 {
		s += " → " + list(f.Returns, false)
	}
	return s
}

func rows(params []Param) string {
	var b strings.Builder
	for _, p := range params {
		fmt.Fprintf(&b, "- `%s` (`%s`", p.Name, p.Type)
		if p.Optional {
			b.WriteString(", optional")
		}
		b.WriteString(")")
		if p.Doc != "" {
			b.WriteString(": " + p.Doc)
		}
		b.WriteString("\n")
	}
	return b.String()
}
