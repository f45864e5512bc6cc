package main

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"
)

const schema = "api/v1/bulkhead.proto"

func TestGenerate_isFreshAndDeterministic(t *testing.T) {
	committed := "../../.."
	root := copySchema(t, committed)

	if err := generate(context.Background(), root, schema); err != nil {
		t.Fatal(err)
	}

	for _, file := range []string{"api/v1/bulkhead.pb.go", "api/v1/apiv1connect/bulkhead.connect.go"} {
		if read(t, root, file) != read(t, committed, file) {
			t.Errorf("%s is stale; run go generate ./api/...", file)
		}
	}
}

func TestCompile_givesTheSameBytesEachTime(t *testing.T) {
	var first []byte
	for range 20 {
		request, err := compile(context.Background(), "../../..", schema)
		if err != nil {
			t.Fatal(err)
		}
		got, err := proto.MarshalOptions{Deterministic: true}.Marshal(request)
		if err != nil {
			t.Fatal(err)
		}
		if first == nil {
			first = got
		}
		if string(got) != string(first) {
			t.Fatal("two compilations differ")
		}
	}
}

func TestCompile_listsImportsFirst(t *testing.T) {
	request, err := compile(context.Background(), "../../..", schema)
	if err != nil {
		t.Fatal(err)
	}

	var got []string
	for _, f := range request.GetProtoFile() {
		got = append(got, f.GetName())
	}
	if want := "google/protobuf/struct.proto " + schema; strings.Join(got, " ") != want {
		t.Errorf("files = %v, want %s", got, want)
	}
}

func TestGenerate_namesTheBrokenLine(t *testing.T) {
	root := t.TempDir()
	if err := os.WriteFile(filepath.Join(root, "x.proto"), []byte("syntax = \"proto3\";\nmessage {}\n"), 0o600); err != nil {
		t.Fatal(err)
	}

	err := generate(context.Background(), root, "x.proto")
	if err == nil || !strings.Contains(err.Error(), "x.proto:2:9") {
		t.Errorf("error = %v, want one that names x.proto:2:9", err)
	}
}

func TestGenerate_wantsAFile(t *testing.T) {
	if err := generate(context.Background(), ".", ""); err == nil {
		t.Error("no error without a file")
	}
}

func copySchema(t *testing.T, from string) string {
	t.Helper()
	root := t.TempDir()
	if err := os.MkdirAll(filepath.Join(root, filepath.Dir(schema)), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(root, schema), []byte(read(t, from, schema)), 0o600); err != nil {
		t.Fatal(err)
	}
	return root
}

func read(t *testing.T, root, file string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(root, file))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}
