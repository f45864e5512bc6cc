// Package runner holds the drivers that turn one attempt into an outcome:
// package command runs a worker process. Each implements engine.Runner.
package runner
