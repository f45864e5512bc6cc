//go:build linux

package flow

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"io"
	"math/rand/v2"
	"sync"
	"testing"

	"github.com/bulkhead-dev/bulkhead/internal/fault"
	"github.com/bulkhead-dev/bulkhead/internal/guest/wire"
)

// link joins two muxes: what one sends the other handles, in order.
func link(t *testing.T) (a, b *Mux) {
	t.Helper()
	ab, ba := make(chan wire.Frame, 1), make(chan wire.Frame, 1)
	copied := func(f wire.Frame) wire.Frame {
		f.Payload = bytes.Clone(f.Payload)
		return f
	}
	a = New(func(f wire.Frame) error { ab <- copied(f); return nil })
	b = New(func(f wire.Frame) error { ba <- copied(f); return nil })
	var group sync.WaitGroup
	run := func(m *Mux, c chan wire.Frame) {
		for f := range c {
			if err := m.Handle(f); err != nil {
				t.Errorf("Handle = %v", err)
			}
		}
	}
	group.Go(func() { run(b, ab) })
	group.Go(func() { run(a, ba) })
	t.Cleanup(func() {
		close(ab)
		close(ba)
		group.Wait()
	})
	return a, b
}

// stream is one stream from a to b.
func stream(t *testing.T, a, b *Mux, k Key) (*Writer, *Reader) {
	t.Helper()
	r, err := b.Reader(k)
	if err != nil {
		t.Fatal(err)
	}
	w, err := a.Writer(k, nil)
	if err != nil {
		t.Fatal(err)
	}
	return w, r
}

func TestStream_bringsEverythingInOrder(t *testing.T) {
	a, b := link(t)
	var group sync.WaitGroup
	for i := range uint64(8) {
		w, r := stream(t, a, b, Key{i + 1, uint16(i % 3)})
		rng := rand.New(rand.NewPCG(i, i))
		sent := sha256.New()
		group.Go(func() {
			for range 60 {
				p := make([]byte, rng.IntN(100_000))
				for j := range p {
					p[j] = byte(rng.Uint32())
				}
				sent.Write(p)
				if n, err := w.Write(p); n != len(p) || err != nil {
					t.Errorf("Write = %d, %v", n, err)
				}
			}
			if err := w.Close(); err != nil {
				t.Errorf("Close = %v", err)
			}
			_ = w.Close()
		})
		group.Go(func() {
			got := sha256.New()
			if _, err := io.Copy(got, r); err != nil {
				t.Errorf("read: %v", err)
			}
			if !bytes.Equal(got.Sum(nil), sent.Sum(nil)) {
				t.Errorf("stream %d came as another", i)
			}
		})
	}
	group.Wait()
	if len(a.out) != 0 || len(b.in) != 0 {
		t.Errorf("%d writers and %d readers are remembered", len(a.out), len(b.in))
	}
}

func TestWriter_waitsForItsReader(t *testing.T) {
	var sent int
	m := New(func(f wire.Frame) error {
		sent += len(f.Payload)
		return nil
	})
	w, err := m.Writer(Key{1, 0}, nil)
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error)
	go func() {
		_, err := w.Write(make([]byte, 3*wire.Window))
		done <- err
	}()
	credit, _ := wire.Encode(nil, &wire.Count{N: wire.Window})
	for i := range 2 {
		for { // until all that may be sent is
			w.mu.Lock()
			left := w.credit
			w.mu.Unlock()
			if left == 0 {
				break
			}
		}
		if err := m.Handle(wire.Frame{Kind: wire.KindCredit, ID: 1, Payload: credit}); err != nil {
			t.Fatalf("credit %d: %v", i, err)
		}
	}
	if err := <-done; err != nil || sent != 3*wire.Window {
		t.Errorf("Write = %v after %d bytes", err, sent)
	}
}

func TestReader_thatHasGoneStopsItsWriter(t *testing.T) {
	a, b := link(t)
	k := Key{1, 1}
	told := make(chan struct{})
	r, _ := b.Reader(k)
	w, _ := a.Writer(k, func() { close(told) })
	if err := r.Close(); err != nil {
		t.Errorf("Close = %v", err)
	}
	_ = r.Close()
	<-told
	if _, err := w.Write(make([]byte, 10)); err != io.ErrClosedPipe {
		t.Errorf("Write = %v, want a closed pipe", err)
	}
	if _, err := r.Read(make([]byte, 1)); err != io.ErrClosedPipe {
		t.Errorf("Read = %v, want a closed pipe", err)
	}
	_ = w.Close()
}

func TestMux_closeEndsEveryStream(t *testing.T) {
	why := errors.New("over")
	m := New(func(wire.Frame) error { return nil })
	r, _ := m.Reader(Key{1, 0})
	w, _ := m.Writer(Key{1, 1}, nil)
	_, _ = w.Write(make([]byte, wire.Window))
	if err := m.Handle(wire.Frame{Kind: wire.KindData, ID: 1, Payload: []byte("last")}); err != nil {
		t.Fatal(err)
	}
	m.Close(why)
	b := make([]byte, 10)
	if n, err := r.Read(b); string(b[:n]) != "last" || err != nil {
		t.Errorf("Read = %q, %v; want what had come", b[:n], err)
	}
	if _, err := r.Read(b); err != why {
		t.Errorf("Read = %v, want the reason", err)
	}
	if _, err := w.Write(b); err != why {
		t.Errorf("Write = %v, want the reason", err)
	}
	if _, err := m.Reader(Key{2, 0}); err != why {
		t.Errorf("Reader = %v, want the reason", err)
	}
	if _, err := m.Writer(Key{2, 0}, nil); err != why {
		t.Errorf("Writer = %v, want the reason", err)
	}
}

func data(n int) wire.Frame {
	return wire.Frame{Kind: wire.KindData, ID: 1, Payload: make([]byte, n)}
}

func credit(n int64) wire.Frame {
	b, _ := wire.Encode(nil, &wire.Count{N: n})
	return wire.Frame{Kind: wire.KindCredit, ID: 1, Payload: b}
}

// full fills the window of stream 1.
var full = func() (list []wire.Frame) {
	for range wire.Window / wire.MaxData {
		list = append(list, data(wire.MaxData))
	}
	return list
}()

func TestHandle_refusesWhatBreaksTheRules(t *testing.T) {
	for _, row := range []struct {
		name   string
		frames []wire.Frame
	}{
		{"more than the window", append(full[:len(full):len(full)], data(1))},
		{"data after the end", []wire.Frame{{Kind: wire.KindEnd, ID: 1}, data(1)}},
		{"a second end", []wire.Frame{{Kind: wire.KindEnd, ID: 1}, {Kind: wire.KindEnd, ID: 1}}},
		{"empty data", []wire.Frame{data(0)}},
		{"data of no stream", []wire.Frame{{Kind: wire.KindData, ID: 2, Payload: []byte("x")}}},
		{"data of another index", []wire.Frame{{Kind: wire.KindData, ID: 1, Index: 9, Payload: []byte("x")}}},
		{"credit beyond the window", []wire.Frame{credit(1)}},
		{"credit of 2⁶³-1", []wire.Frame{credit(1<<63 - 1)}},
		{"credit that is no number", []wire.Frame{{Kind: wire.KindCredit, ID: 1, Payload: []byte("x")}}},
		{"something else", []wire.Frame{{Kind: wire.KindDone, ID: 1}}},
	} {
		m := New(func(wire.Frame) error { return nil })
		_, _ = m.Reader(Key{1, 0})
		_, _ = m.Writer(Key{1, 0}, nil)
		var err error
		for _, f := range row.frames {
			if err != nil {
				t.Errorf("%s: refused too early: %v", row.name, err)
			}
			err = m.Handle(f)
		}
		if fault.KindOf(err) != fault.Corrupt {
			t.Errorf("%s: %v, want corrupt", row.name, err)
		}
	}
}

func TestHandle_boundsAReaderThatHasGoneToo(t *testing.T) {
	m := New(func(wire.Frame) error { return nil })
	r, _ := m.Reader(Key{1, 0})
	_ = r.Close()
	for _, f := range full {
		if err := m.Handle(f); err != nil {
			t.Fatalf("on the way: %v", err)
		}
	}
	if len(r.chunks) != 0 {
		t.Error("what nobody reads is kept")
	}
	if err := m.Handle(data(1)); fault.KindOf(err) != fault.Corrupt {
		t.Errorf("beyond the window: %v, want corrupt", err)
	}
}

func TestHandle_isLenientForAGuest(t *testing.T) {
	m := New(func(wire.Frame) error { return nil })
	m.Lenient = true
	for _, f := range []wire.Frame{data(1), {Kind: wire.KindEnd, ID: 1}, {Kind: wire.KindStop, ID: 1}, credit(1)} {
		if err := m.Handle(f); err != nil {
			t.Errorf("frame %d of no stream: %v", f.Kind, err)
		}
	}
}

func TestReader_keepsSmallPiecesSmall(t *testing.T) {
	m := New(func(wire.Frame) error { return nil })
	r, _ := m.Reader(Key{1, 0})
	for range wire.Window {
		if err := m.Handle(data(1)); err != nil {
			t.Fatal(err)
		}
	}
	size := 0
	for _, c := range r.chunks {
		size += cap(c)
	}
	if size > 2*wire.Window {
		t.Errorf("%d bytes are kept for %d", size, wire.Window)
	}
}

func TestMux_boundsItsStreams(t *testing.T) {
	m := New(func(wire.Frame) error { return nil })
	for i := range uint64(MaxStreams) {
		if _, err := m.Reader(Key{i + 1, 0}); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := m.Reader(Key{MaxStreams + 1, 0}); fault.KindOf(err) != fault.Exhausted {
		t.Errorf("one more: %v, want exhausted", err)
	}
	if _, err := m.Writer(Key{1, 0}, nil); err != nil {
		t.Errorf("a writer: %v", err)
	}
	if _, err := m.Writer(Key{1, 0}, nil); fault.KindOf(err) != fault.Internal {
		t.Errorf("the same again: %v, want internal", err)
	}
}

// FuzzHandle feeds frames of any order and size to a mux with streams. Nothing
// may crash, and no more than the window may be kept.
func FuzzHandle(f *testing.F) {
	f.Add([]byte{0, 10, 1, 0, 2, 200, 3, 1}, false)
	f.Add([]byte{0, 255, 0, 255, 0, 255, 1, 0}, true)
	f.Fuzz(func(t *testing.T, script []byte, lenient bool) {
		m := New(func(wire.Frame) error { return nil })
		m.Lenient = lenient
		r, _ := m.Reader(Key{1, 0})
		_, _ = m.Writer(Key{1, 0}, nil)
		kinds := []wire.Kind{wire.KindData, wire.KindEnd, wire.KindCredit, wire.KindStop}
		for i := 0; i+1 < len(script); i += 2 {
			fr := data(int(script[i+1]) << 8)
			fr.Kind = kinds[script[i]%4]
			if fr.Kind == wire.KindCredit {
				fr = credit(int64(script[i+1]) << 8)
			}
			fr.ID = uint64(script[i]/4)%2 + 1
			if script[i]&0x80 != 0 {
				_ = r.Close()
			}
			if m.Handle(fr) != nil {
				return
			}
			if r.unread > wire.Window {
				t.Fatalf("%d bytes are kept", r.unread)
			}
		}
	})
}
