// Command genproto generates the Go code of a proto file without protoc: it
// compiles the file in this process, and hands the result to the plugins
// pinned in go.mod (`go tool protoc-gen-go`, `go tool protoc-gen-connect-go`).
//
// The same input and the same go.mod give the same bytes.
//
//	genproto [-root DIR] FILE.proto
//
// FILE is relative to the root, which is also where imports are looked up and
// where the generated files go.
package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/pluginpb"
)

// plugins run in this order; each is a tool of go.mod.
var plugins = []string{"protoc-gen-go", "protoc-gen-connect-go"}

func main() {
	root := flag.String("root", ".", "folder that imports and outputs are relative to")
	flag.Parse()

	if err := generate(context.Background(), *root, flag.Arg(0)); err != nil {
		fmt.Fprintln(os.Stderr, "genproto:", err)
		os.Exit(1)
	}
}

// generate compiles one file and writes what every plugin makes of it.
func generate(ctx context.Context, root, file string) error {
	if file == "" {
		return errors.New("usage: genproto [-root DIR] FILE.proto")
	}

	request, err := compile(ctx, root, file)
	if err != nil {
		return fmt.Errorf("compile %s: %w", file, err)
	}

	for _, plugin := range plugins {
		response, err := run(ctx, plugin, request)
		if err != nil {
			return fmt.Errorf("%s: %w", plugin, err)
		}
		if err := write(root, response); err != nil {
			return fmt.Errorf("write output of %s: %w", plugin, err)
		}
	}
	return nil
}

// run gives one plugin the request on stdin and reads its answer from stdout.
func run(ctx context.Context, plugin string, request *pluginpb.CodeGeneratorRequest) (*pluginpb.CodeGeneratorResponse, error) {
	in, err := proto.MarshalOptions{Deterministic: true}.Marshal(request)
	if err != nil {
		return nil, err
	}

	cmd := exec.CommandContext(ctx, "go", "tool", plugin)
	cmd.Stdin = bytes.NewReader(in)
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, err
	}

	response := new(pluginpb.CodeGeneratorResponse)
	if err := proto.Unmarshal(out, response); err != nil {
		return nil, fmt.Errorf("read answer: %w", err)
	}
	if response.Error != nil {
		return nil, errors.New(response.GetError())
	}
	return response, nil
}

// write puts the generated files under root.
func write(root string, response *pluginpb.CodeGeneratorResponse) error {
	for _, f := range response.GetFile() {
		path := filepath.Join(root, filepath.FromSlash(f.GetName()))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(path, []byte(f.GetContent()), 0o644); err != nil {
			return err
		}
	}
	return nil
}
