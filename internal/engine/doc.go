// Package engine is durable execution: a pure decide(graph, state, input)
// that yields a transition, and the loop that claims work, runs it and
// commits what came of it.
package engine
