//go:build linux

package seccomp

import (
	"fmt"
	"slices"

	"golang.org/x/sys/unix"
)

// leaves is the code for each call of the architecture that has a rule.
func (f Filter) leaves(a Arch) (map[uint32]code, error) {
	byNumber := map[uint32][]Rule{}
	for _, r := range f.Rules {
		if nr, ok := a.Numbers[r.Call]; ok {
			byNumber[nr] = append(byNumber[nr], r)
		}
	}
	leaves := make(map[uint32]code, len(byNumber))
	for nr, rules := range byNumber {
		c, err := leaf(append(rules, Rule{Then: f.Otherwise}))
		if err != nil {
			return nil, fmt.Errorf("rule for %s: %w", rules[0].Call, err)
		}
		leaves[nr] = c
	}
	return leaves, nil
}

// leaf is the code for the rules of one call, up to the first that always
// holds; the last one must.
func leaf(rules []Rule) (code, error) {
	var c code
	for len(rules) > 0 {
		if len(rules[0].When) == 0 {
			return append(c, unix.SockFilter{Code: opReturn, K: rules[0].Then.ret()}), nil
		}
		n := choices(rules)
		part, err := ruleCode(rules[0])
		if n > 1 {
			part, err = choiceCode(rules[:n])
		}
		if err != nil {
			return nil, err
		}
		c = append(c, part...)
		rules = rules[n:]
	}
	return c, nil
}

// ruleCode returns the rule's action when all its conditions hold, and falls
// out at its end otherwise. It is built from the back, so that each jump knows
// how much is left to leap over.
func ruleCode(r Rule) (code, error) {
	c := code{{Code: opReturn, K: r.Then.ret()}}
	for _, cond := range slices.Backward(r.When) {
		c = append(condCode(cond, len(c)), c...)
		if len(c) > maxShort {
			return nil, fmt.Errorf("too many conditions")
		}
	}
	return c, nil
}

// condCode falls out at its end when the condition holds, and jumps over the
// next rest instructions otherwise. An equality needs both halves of the
// argument to match; an inequality is settled by the first half that differs.
func condCode(c Cond, rest int) code {
	halves := c.halves()
	var out code
	for i, h := range slices.Backward(halves) {
		test := unix.SockFilter{Code: opEqual, K: h.value, Jf: uint8(len(out) + rest)}
		if c.Op == NotEqual {
			test.Jf = uint8(len(out))
			if i == len(halves)-1 {
				test.Jt = uint8(rest)
			}
		}
		out = slices.Concat(h.load(), code{test}, out)
	}
	return out
}

// half is one 32-bit word of an argument, and what to compare it with.
type half struct{ offset, mask, value uint32 }

// halves are the words that a condition looks at, the upper one first.
func (c Cond) halves() []half {
	offset := uint32(offsetArgs + 8*c.Arg)
	var hs []half
	if hi := uint32(c.mask() >> 32); hi != 0 {
		hs = append(hs, half{offset + 4, hi, uint32(c.Value >> 32)})
	}
	if lo := uint32(c.mask()); lo != 0 {
		hs = append(hs, half{offset, lo, uint32(c.Value)})
	}
	return hs
}

// load puts the masked word into the accumulator.
func (h half) load() code {
	c := code{{Code: opLoad, K: h.offset}}
	if h.mask != low32 {
		c = append(c, unix.SockFilter{Code: opAnd, K: h.mask})
	}
	return c
}

// choices counts the rules at the front that ask for values of the same word
// and do the same: "option is 2, or 3, or 4". They share one load.
func choices(rules []Rule) int {
	first, ok := choice(rules[0])
	if !ok {
		return 1
	}
	n := 1
	for n < len(rules) && n < maxShort && rules[n].Then == rules[0].Then {
		next, ok := choice(rules[n])
		if !ok || next.offset != first.offset || next.mask != first.mask {
			break
		}
		n++
	}
	return n
}

// choice is the word that a rule with one equality looks at.
func choice(r Rule) (half, bool) {
	if len(r.When) != 1 || r.When[0].Op != Equal {
		return half{}, false
	}
	hs := r.When[0].halves()
	return hs[0], len(hs) == 1
}

// choiceCode returns the action of the rules when one of their values is
// there, and falls out at its end otherwise.
func choiceCode(rules []Rule) (code, error) {
	h, _ := choice(rules[0])
	c := h.load()
	for i, r := range rules {
		h, _ := choice(r)
		left := len(rules) - 1 - i
		test := unix.SockFilter{Code: opEqual, K: h.value, Jt: uint8(left)}
		if left == 0 {
			test.Jf = 1
		}
		c = append(c, test)
	}
	return append(c, unix.SockFilter{Code: opReturn, K: rules[0].Then.ret()}), nil
}
