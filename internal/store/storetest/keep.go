package storetest

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/bulkhead-dev/bulkhead/bundle"
	"github.com/bulkhead-dev/bulkhead/event"
	"github.com/bulkhead-dev/bulkhead/internal/fault"
	"github.com/bulkhead-dev/bulkhead/internal/store"
)

// digestOf is the digest of a text, as blobs are named.
func digestOf(text string) string {
	sum := sha256.Sum256([]byte(text))
	return store.Digest(sum[:])
}

var graph = bundle.Graph{
	ID: "g", Name: "demo", Dialect: "bulkhead/v1", Concurrency: 4,
	Nodes:         []bundle.Node{{ID: "a", Kind: bundle.Router, Router: &bundle.RouterConfig{EmitType: "x"}}},
	Edges:         []bundle.Edge{{ID: "a->a:x", From: "a", To: "a", Type: "x"}},
	Entrypoints:   []event.NodeID{"a"},
	InitialInputs: map[event.NodeID][]json.RawMessage{"a": {json.RawMessage(`{"n":1}`)}},
}

var graphCases = []testCase{
	{"Graph comes back as it was put", func(t *testing.T, s store.Driver) {
		ctx := context.Background()
		wantKind(t, s.PutGraph(ctx, digestOf("g"), graph), fault.OK)
		got, err := s.Graph(ctx, digestOf("g"))
		wantKind(t, err, fault.OK)
		wantSame(t, got, graph)
	}},
	{"Graph put twice is harmless", func(t *testing.T, s store.Driver) {
		ctx := context.Background()
		wantKind(t, s.PutGraph(ctx, digestOf("g"), graph), fault.OK)
		wantKind(t, s.PutGraph(ctx, digestOf("g"), graph), fault.OK)
	}},
	{"Graph put with other content is refused", func(t *testing.T, s store.Driver) {
		ctx := context.Background()
		other := graph
		other.Name = "other"
		wantKind(t, s.PutGraph(ctx, digestOf("g"), graph), fault.OK)
		wantKind(t, s.PutGraph(ctx, digestOf("g"), other), fault.Exists)
		got, err := s.Graph(ctx, digestOf("g"))
		wantKind(t, err, fault.OK)
		wantSame(t, got, graph)
	}},
	{"Graph of an unknown digest finds none", func(t *testing.T, s store.Driver) {
		_, err := s.Graph(context.Background(), digestOf("nothing"))
		wantKind(t, err, fault.NotFound)
	}},
	{"Graph refuses a broken digest", func(t *testing.T, s store.Driver) {
		wantKind(t, s.PutGraph(context.Background(), "../etc", graph), fault.Invalid)
	}},
}

func mustPut(t *testing.T, s store.Driver, content string) event.BlobRef {
	t.Helper()
	ref, err := s.PutBlob(context.Background(), "text/plain", strings.NewReader(content))
	if err != nil {
		t.Fatalf("put blob: %v", err)
	}
	return ref
}

func mustRead(t *testing.T, s store.Driver, ref event.BlobRef) string {
	t.Helper()
	r, err := s.Blob(context.Background(), ref)
	if err != nil {
		t.Fatalf("open blob: %v", err)
	}
	defer r.Close()
	content, err := io.ReadAll(r)
	if err != nil {
		t.Fatalf("read blob: %v", err)
	}
	return string(content)
}

var blobCases = []testCase{
	{"Blob comes back under its digest", func(t *testing.T, s store.Driver) {
		ref := mustPut(t, s, "hello")
		wantSame(t, ref, event.BlobRef{Digest: digestOf("hello"), Size: 5, Type: "text/plain"})
		wantSame(t, mustRead(t, s, ref), "hello")
	}},
	{"Blob put twice is harmless", func(t *testing.T, s store.Driver) {
		wantSame(t, mustPut(t, s, "x"), mustPut(t, s, "x"))
		wantSame(t, mustRead(t, s, mustPut(t, s, "x")), "x")
	}},
	{"Blob may be empty", func(t *testing.T, s store.Driver) {
		wantSame(t, mustRead(t, s, mustPut(t, s, "")), "")
	}},
	{"Blob may be large", func(t *testing.T, s store.Driver) {
		big := strings.Repeat("0123456789abcdef", 3<<16)
		if got := mustRead(t, s, mustPut(t, s, big)); got != big {
			t.Errorf("read %d bytes, want %d", len(got), len(big))
		}
	}},
	{"Blob of an unknown digest finds none", func(t *testing.T, s store.Driver) {
		_, err := s.Blob(context.Background(), event.BlobRef{Digest: digestOf("nothing")})
		wantKind(t, err, fault.NotFound)
	}},
	{"Blob refuses a broken digest", func(t *testing.T, s store.Driver) {
		for _, digest := range []string{"", "sha256:", "sha256:../../etc/passwd", "md5:00", strings.ToUpper(digestOf("x"))} {
			_, err := s.Blob(context.Background(), event.BlobRef{Digest: digest})
			wantKind(t, err, fault.Invalid)
		}
	}},
	{"Blob whose source fails is not kept", func(t *testing.T, s store.Driver) {
		broken := io.MultiReader(strings.NewReader("half"), iotest.ErrReader(errors.New("source gone")))
		_, err := s.PutBlob(context.Background(), "text/plain", broken)
		if err == nil || !strings.Contains(err.Error(), "source gone") {
			t.Errorf("error = %v, want the source's", err)
		}
		_, err = s.Blob(context.Background(), event.BlobRef{Digest: digestOf("half")})
		wantKind(t, err, fault.NotFound)
	}},
	{"Blob may be read in small pieces", func(t *testing.T, s store.Driver) {
		r, err := s.Blob(context.Background(), mustPut(t, s, "hello world"))
		wantKind(t, err, fault.OK)
		defer r.Close()
		var got bytes.Buffer
		_, err = got.ReadFrom(iotest.OneByteReader(r))
		wantKind(t, err, fault.OK)
		wantSame(t, got.String(), "hello world")
	}},
}

var closeCases = []testCase{
	{"Close may be called twice", func(t *testing.T, s store.Driver) {
		wantKind(t, s.Close(), fault.OK)
		wantKind(t, s.Close(), fault.OK)
	}},
	{"After Close everything is unavailable", func(t *testing.T, s store.Driver) {
		ref := mustPut(t, s, "x")
		mustApply(t, s, Step("a", 0, 1))
		wantKind(t, s.Close(), fault.OK)
		for name, call := range everyCall(ref) {
			if err := call(s); fault.KindOf(err) != fault.Unavailable {
				t.Errorf("%s: error = %v, want unavailable", name, err)
			}
		}
	}},
}

// everyCall is each method of a driver, as something that only may fail.
func everyCall(ref event.BlobRef) map[string]func(store.Driver) error {
	ctx := context.Background()
	return map[string]func(store.Driver) error{
		"Apply":    func(s store.Driver) error { _, err := Apply(s, Step("b", 0, 1)); return err },
		"Load":     func(s store.Driver) error { _, err := s.Load(ctx, "a"); return err },
		"Events":   func(s store.Driver) error { _, err := s.Events(ctx, "a", 0, 1); return err },
		"List":     func(s store.Driver) error { _, err := s.List(ctx, store.Query{}); return err },
		"Due":      func(s store.Driver) error { _, err := s.Due(ctx, store.DueQuery{}); return err },
		"PutGraph": func(s store.Driver) error { return s.PutGraph(ctx, digestOf("g"), graph) },
		"Graph":    func(s store.Driver) error { _, err := s.Graph(ctx, digestOf("g")); return err },
		"PutBlob":  func(s store.Driver) error { _, err := s.PutBlob(ctx, "", strings.NewReader("y")); return err },
		"Blob":     func(s store.Driver) error { _, err := s.Blob(ctx, ref); return err },
		"Info":     func(s store.Driver) error { _, err := s.Info(ctx); return err },
	}
}
