package main

import (
	"strings"
	"unicode/utf8"
)

// table is rows of cells; the first row is the head.
type table [][]string

// String lays the columns out side by side. Cells are made safe for a
// terminal; the last column is never padded.
func (t table) String() string {
	var b strings.Builder
	for _, line := range t.lines() {
		b.WriteString(line)
		b.WriteByte('\n')
	}
	return b.String()
}

// lines is the table, one line a row.
func (t table) lines() []string {
	widths := t.widths()
	lines := make([]string, len(t))
	for i, row := range t {
		var b strings.Builder
		for j, cell := range row {
			cell = oneLine(cell)
			b.WriteString(cell)
			if j < len(row)-1 {
				b.WriteString(strings.Repeat(" ", widths[j]-utf8.RuneCountInString(cell)+2))
			}
		}
		lines[i] = strings.TrimRight(b.String(), " ")
	}
	return lines
}

func (t table) widths() []int {
	var widths []int
	for _, row := range t {
		for j, cell := range row {
			if j == len(widths) {
				widths = append(widths, 0)
			}
			widths[j] = max(widths[j], utf8.RuneCountInString(oneLine(cell)))
		}
	}
	return widths
}
