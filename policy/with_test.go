package policy

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestWith_leavesTheOriginalAsItWas(t *testing.T) {
	p := full.Clone()
	p2 := p.With(
		ReadOnly("/opt"), Writable("/srv/x"), SetEnv("LANG", "de"), PassEnv("PORT"),
		Memory(GiB), CPUs(1), PIDs(3), Output(1), Scratch(MiB), Timeout(time.Hour),
		InLayer(Host), SystemCalls(Default), TraceDenials(), BestEffort(),
	)
	if diff := cmp.Diff(full, p); diff != "" {
		t.Errorf("the original changed: %s", diff)
	}
	want := full.Clone()
	want.Layer, want.Syscalls = Host, Default
	want.Filesystem.Read = append(want.Filesystem.Read, "/opt")
	want.Filesystem.Write = append(want.Filesystem.Write, "/srv/x")
	want.Env = Env{Set: map[string]string{"LANG": "de", "EMPTY": ""}, Pass: []string{"EDITOR", "TERM", "PORT"}}
	want.Limits.Memory, want.Limits.CPUs, want.Limits.PIDs = GiB, 1, 3
	want.Limits.Output, want.Limits.Scratch, want.Limits.WallTime = 1, MiB, time.Hour
	if diff := cmp.Diff(want, p2); diff != "" {
		t.Error(diff)
	}
}

func TestWith_theLaterOfSetAndPassWins(t *testing.T) {
	got := Policy{}.With(PassEnv("A"), SetEnv("A", "x"))
	if diff := cmp.Diff(Policy{Env: Env{Set: map[string]string{"A": "x"}}}, got); diff != "" {
		t.Error(diff)
	}
	got = got.With(PassEnv("A"))
	if diff := cmp.Diff(Policy{Env: Env{Pass: []string{"A"}}}, got); diff != "" {
		t.Error(diff)
	}
}

func TestWith_saysAThingOnce(t *testing.T) {
	got := Policy{}.With(ReadOnly("/a", "/a"), ReadOnly("/a"))
	if diff := cmp.Diff(Policy{Filesystem: Filesystem{Read: []string{"/a"}}}, got); diff != "" {
		t.Error(diff)
	}
}
