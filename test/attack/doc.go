// Package attack tries to break out of sandboxes. Every attack is a row of a
// table: what is tried, which walls stop it, and what success would look like.
//
// A row is run several times, with each launcher: with all its walls taken out
// it must succeed, or it would prove nothing; with all walls it must fail; and
// with only one of its walls left it must fail too, because each of them is
// said to stop it alone. docs/attacks.md is the table for people.
//
// The tests run every row so. Run is the suite as a product: each row without
// its walls and with all of them, by whoever wants to know what holds here.
//
// Nothing of the host outside their own temporary folders is touched, and no
// victim does harm when it succeeds.
package attack
