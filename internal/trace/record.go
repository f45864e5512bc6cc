//go:build linux

package trace

import (
	"fmt"
	"strings"
	"sync"
	"unicode"
	"unicode/utf8"

	"github.com/bulkhead-dev/bulkhead/event"
)

// source is how denials say that they are from here.
const source = "trace"

// record is a bounded list of distinct denials. The zero record keeps none.
type record struct {
	max int

	mu     sync.Mutex // guards below
	order  []event.Denial
	index  map[event.Denial]int // by the denial without its count
	others int                  // refusals beyond max
}

// add counts a refusal.
func (r *record) add(d event.Denial) {
	d.Source, d.Count = source, 0
	r.mu.Lock()
	defer r.mu.Unlock()
	i, ok := r.index[d]
	switch {
	case ok:
		r.order[i].Count++
	case len(r.order) >= r.max:
		r.others++
	default:
		if r.index == nil {
			r.index = map[event.Denial]int{}
		}
		r.index[d] = len(r.order)
		d.Count = 1
		r.order = append(r.order, d)
	}
}

// list is a copy of what was recorded; the last line sums up what did not fit.
func (r *record) list() []event.Denial {
	r.mu.Lock()
	defer r.mu.Unlock()
	all := append([]event.Denial(nil), r.order...)
	if r.others > 0 {
		all = append(all, event.Denial{
			Operation: "other", Object: fmt.Sprintf("refusals beyond the first %d", r.max),
			Step: "trace", Source: source, Count: r.others,
		})
	}
	return all
}

// maxText is the length in bytes at which a text of the sandbox is cut.
const maxText = 512

// clean makes a hostile text fit to be shown: no control characters, no
// direction marks, no broken UTF-8, no endless length.
func clean(s string) string {
	var b strings.Builder
	for i := 0; i < len(s); {
		r, size := utf8.DecodeRuneInString(s[i:])
		part := s[i : i+size]
		if r == utf8.RuneError && size == 1 || !unicode.IsPrint(r) {
			part = escape(part)
		}
		if b.Len()+len(part) > maxText {
			return b.String() + "…"
		}
		b.WriteString(part)
		i += size
	}
	return b.String()
}

// escape writes bytes as \xNN.
func escape(s string) string {
	var b strings.Builder
	for i := range len(s) {
		fmt.Fprintf(&b, `\x%02x`, s[i])
	}
	return b.String()
}
