package main

import (
	"io"
	"strings"
	"unicode"
	"unicode/utf8"
)

// cell is one entry of a table, with its colour.
type cell struct{ text, color string }

func plain(text string) cell { return cell{text: clean(text)} }

func tinted(text, color string) cell { return cell{clean(text), color} }

// clean makes text from elsewhere fit for one line of a terminal.
func clean(text string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\n' || r == '\t':
			return ' '
		case unicode.IsControl(r) || r == utf8.RuneError:
			return '�'
		}
		return r
	}, text)
}

// table is rows under a heading, in columns as wide as their widest entry.
type table struct {
	heads []string
	rows  [][]cell
}

func (t *table) add(cells ...cell) { t.rows = append(t.rows, cells) }

// write writes the table. Where cells in a line are limited (0 is no limit) the
// last column is cut.
func (t *table) write(w io.Writer, color bool, limit int) error {
	head := make([]cell, len(t.heads))
	for i, h := range t.heads {
		head[i] = cell{h, dim}
	}
	all := append([][]cell{head}, t.rows...)
	wide := make([]int, len(t.heads))
	for _, row := range all {
		for i, c := range row {
			wide[i] = max(wide[i], utf8.RuneCountInString(c.text))
		}
	}
	var b strings.Builder
	for _, row := range all {
		b.WriteString(line(row, wide, color, limit))
		b.WriteByte('\n')
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func line(row []cell, wide []int, color bool, limit int) string {
	var b strings.Builder
	used := 0
	for i, c := range row {
		if i == len(row)-1 {
			if limit > 0 {
				c.text = cut(c.text, limit-used)
			}
			b.WriteString(paint(color, c.color, c.text))
			break
		}
		b.WriteString(paint(color, c.color, c.text))
		b.WriteString(strings.Repeat(" ", wide[i]-utf8.RuneCountInString(c.text)+2))
		used += wide[i] + 2
	}
	return strings.TrimRight(b.String(), " ")
}

// cut shortens text to so many cells, but leaves a few in any case.
func cut(text string, cells int) string {
	cells = max(cells, 16)
	if utf8.RuneCountInString(text) <= cells {
		return text
	}
	return string([]rune(text)[:cells-1]) + "…"
}
