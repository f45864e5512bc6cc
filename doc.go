// Package bulkhead is the module's root. It runs agent workflows and untrusted
// commands, each step in a sandbox of its own.
//
// The program is cmd/bulkhead. This folder holds the tests that watch over the
// whole tree: which way imports point, that everything exported is explained,
// and that every dependency is accounted for.
package bulkhead
