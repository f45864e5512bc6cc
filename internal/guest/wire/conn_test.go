//go:build linux

package wire

import (
	"bytes"
	"errors"
	"io"
	"os"
	"sync"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/bulkhead-dev/bulkhead/internal/fault"
)

// script is a transport that reads what is in it, a piece at a time.
type script struct {
	pieces [][]byte
	fds    map[int][]int // that come with a piece
	sent   bytes.Buffer
	n      int
}

func (s *script) Recv(p []byte) (int, []int, error) {
	if len(s.pieces) == 0 {
		return 0, nil, io.EOF
	}
	n := copy(p, s.pieces[0])
	fds := s.fds[s.n]
	delete(s.fds, s.n)
	if s.pieces[0] = s.pieces[0][n:]; len(s.pieces[0]) == 0 {
		s.pieces = s.pieces[1:]
		s.n++
	}
	return n, fds, nil
}

func (s *script) Send(p []byte, _ []int) error { s.sent.Write(p); return nil }
func (s *script) Rights() bool                 { return true }
func (s *script) Close() error                 { return nil }

// frame is a frame as bytes.
func frame(f Frame) []byte {
	return append(header{len(f.Payload), f.Kind, len(f.FDs), f.Index, f.ID}.append(nil), f.Payload...)
}

func TestConn_readsFramesHoweverTheyCome(t *testing.T) {
	frames := []Frame{
		{Kind: KindHello, Payload: []byte("x")},
		{Kind: KindData, ID: 7, Index: 2, Payload: bytes.Repeat([]byte("y"), MaxData)},
		{Kind: KindDone, ID: 1 << 60},
		{Kind: KindPart, ID: 3, Payload: bytes.Repeat([]byte("z"), MaxReply)},
		{Kind: KindDone, ID: 4, Payload: []byte("end")},
	}
	var all []byte
	for _, f := range frames {
		all = append(all, frame(f)...)
	}
	for _, size := range []int{1, 7, 16, 4096, 65536, len(all)} {
		s := new(script)
		for b := all; len(b) > 0; b = b[min(size, len(b)):] {
			s.pieces = append(s.pieces, b[:min(size, len(b))])
		}
		c := NewConn(s, MaxReply)
		for i, want := range frames {
			got, err := c.Read()
			if err != nil || got.Kind != want.Kind || got.ID != want.ID || got.Index != want.Index || !bytes.Equal(got.Payload, want.Payload) {
				t.Fatalf("in pieces of %d: frame %d = %v %d, %v", size, i, got.Kind, len(got.Payload), err)
			}
		}
		if _, err := c.Read(); err != io.EOF {
			t.Errorf("in pieces of %d: the end = %v, want EOF", size, err)
		}
		if len(c.buf) > largeBuffer {
			t.Errorf("in pieces of %d: %d bytes of buffer are kept", size, len(c.buf))
		}
	}
}

func TestConn_refusesWhatNoPeerMaySend(t *testing.T) {
	for _, row := range []struct {
		name string
		b    []byte
	}{
		{"kind 0", header{kind: 0, id: 1}.append(nil)},
		{"a kind from the future", header{kind: kindEnd, id: 1}.append(nil)},
		{"a payload beyond the limit", header{kind: KindPart, id: 1, size: MaxReply + 1}.append(nil)},
		{"a payload of 4 GiB", header{kind: KindPart, id: 1, size: 1<<32 - 1}.append(nil)},
		{"data beyond its limit", header{kind: KindData, id: 1, size: MaxData + 1}.append(nil)},
		{"descriptors that did not come", header{kind: KindPart, id: 1, fds: 1}.append(nil)},
		{"more descriptors than a frame may have", header{kind: KindPart, id: 1, fds: MaxFDs + 1}.append(nil)},
		{"a hello with an id", header{kind: KindHello, id: 1}.append(nil)},
		{"an answer without an id", header{kind: KindDone}.append(nil)},
	} {
		c := NewConn(&script{pieces: [][]byte{row.b}}, MaxReply)
		if _, err := c.Read(); fault.KindOf(err) != fault.Corrupt {
			t.Errorf("%s: %v, want corrupt", row.name, err)
		}
	}
	c := NewConn(&script{pieces: [][]byte{frame(Frame{Kind: KindDone, ID: 1, Payload: []byte("cut")})[:18]}}, MaxReply)
	if _, err := c.Read(); err != io.ErrUnexpectedEOF {
		t.Errorf("a frame that is cut: %v", err)
	}
}

func TestConn_boundsDescriptorsThatNoFrameClaims(t *testing.T) {
	s := &script{fds: map[int][]int{}}
	for i := range 2 * maxQueued {
		s.pieces = append(s.pieces, frame(Frame{Kind: KindDone, ID: 1}))
		s.fds[i] = []int{open(t)}
	}
	c := NewConn(s, MaxReply)
	var err error
	for err == nil {
		_, err = c.Read()
	}
	if fault.KindOf(err) != fault.Corrupt {
		t.Errorf("Read = %v, want corrupt", err)
	}
	fd := c.fds[0]
	c.Discard()
	if _, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0); err != unix.EBADF {
		t.Errorf("a descriptor is left open: %v", err)
	}
	for _, fds := range s.fds {
		CloseAll(fds)
	}
}

func open(t *testing.T) int {
	fd, err := unix.Open("/dev/null", unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	return fd
}

// pair is a connection of two real transports.
func pair(t *testing.T) (*Conn, *Conn) {
	t.Helper()
	p, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	var conns [2]*Conn
	for i, fd := range p {
		tr, err := NewFD(fd)
		if err != nil {
			t.Fatal(err)
		}
		conns[i] = NewConn(tr, MaxRequest)
		t.Cleanup(func() { _ = conns[i].Close(); conns[i].Discard() })
	}
	return conns[0], conns[1]
}

func TestFD_carriesDescriptorsWithTheirFrames(t *testing.T) {
	a, b := pair(t)
	if !a.Rights() {
		t.Fatal("a unix socket carries no descriptors")
	}
	const frames = 50
	go func() {
		for i := range frames {
			r, w, err := os.Pipe()
			if err != nil {
				t.Error(err)
				return
			}
			_, _ = w.Write([]byte{byte(i)})
			if err := a.Send(KindPart, uint64(i+1), &Started{PID: uint32(i)}, int(r.Fd()), int(w.Fd())); err != nil {
				t.Error(err)
			}
			_ = a.Send(KindDone, uint64(i+1), &Empty{})
			_ = r.Close()
			_ = w.Close()
		}
		_ = a.Close()
	}()
	for {
		f, err := b.Read()
		if err == io.EOF {
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		if f.Kind != KindPart {
			continue
		}
		if len(f.FDs) != 2 {
			t.Fatalf("frame %d has %d descriptors, want 2", f.ID, len(f.FDs))
		}
		got := make([]byte, 1)
		if _, err := unix.Read(f.FDs[0], got); err != nil || uint64(got[0]) != f.ID-1 {
			t.Errorf("frame %d came with the pipe of %d, %v", f.ID, got[0]+1, err)
		}
		if flags, err := unix.FcntlInt(uintptr(f.FDs[0]), unix.F_GETFD, 0); err != nil || flags&unix.FD_CLOEXEC == 0 {
			t.Errorf("the descriptor would leak into a child: %#x, %v", flags, err)
		}
		CloseAll(f.FDs)
	}
}

func TestFD_refusesMoreDescriptorsThanFit(t *testing.T) {
	p, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(p[0])
	tr, err := NewFD(p[1])
	if err != nil {
		t.Fatal(err)
	}
	defer tr.Close()
	before := openFDs(t)
	many := make([]int, 200)
	for i := range many {
		many[i] = p[0]
	}
	if err := unix.Sendmsg(p[0], []byte("x"), unix.UnixRights(many...), nil, 0); err != nil {
		t.Fatal(err)
	}
	if _, _, err := tr.Recv(make([]byte, 10)); fault.KindOf(err) != fault.Corrupt {
		t.Errorf("Recv = %v, want corrupt", err)
	}
	if after := openFDs(t); after != before {
		t.Errorf("%d descriptors are open, %d were", after, before)
	}
}

func openFDs(t *testing.T) int {
	list, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(list)
}

func TestConn_writesWholeFramesFromMany(t *testing.T) {
	a, b := pair(t)
	const writers, each = 8, 100
	var group sync.WaitGroup
	for w := range writers {
		group.Go(func() {
			for range each {
				if err := a.Write(Frame{Kind: KindData, ID: uint64(w + 1), Payload: bytes.Repeat([]byte{byte(w)}, 3000*w)}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	go func() { group.Wait(); _ = a.Close() }()
	seen := 0
	for {
		f, err := b.Read()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		w := int(f.ID - 1)
		if !bytes.Equal(f.Payload, bytes.Repeat([]byte{byte(w)}, 3000*w)) {
			t.Fatalf("a frame of writer %d is torn", w)
		}
		seen++
	}
	if seen != writers*each {
		t.Errorf("%d frames came, want %d", seen, writers*each)
	}
}

// FuzzDecoder reads a stream of frames as each end does, in pieces. Nothing
// may crash, and nothing larger than the limit may come out.
func FuzzDecoder(f *testing.F) {
	for _, s := range samples {
		b, _ := Encode(nil, s.full)
		f.Add(frame(Frame{Kind: KindDone, ID: 1, Payload: b}), uint16(7))
	}
	f.Add(header{kind: KindPart, id: 1, size: 1<<32 - 1}.append(nil), uint16(3))
	f.Fuzz(func(t *testing.T, b []byte, size uint16) {
		for _, limit := range []int{MaxReply, MaxRequest} {
			s := new(script)
			for rest := b; len(rest) > 0; {
				n := min(int(size)+1, len(rest))
				s.pieces, rest = append(s.pieces, rest[:n]), rest[n:]
			}
			c := NewConn(s, limit)
			for {
				fr, err := c.Read()
				if err != nil {
					break
				}
				if len(fr.Payload) > limit || !fr.Kind.Known() || len(fr.FDs) > 0 {
					t.Fatalf("frame %+v came out", fr)
				}
			}
		}
	})
}
