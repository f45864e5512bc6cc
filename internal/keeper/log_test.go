package keeper

import (
	"bytes"
	"context"
	"errors"
	"testing"
	"time"
)

func TestLog_keepsTheLastOfIt(t *testing.T) {
	l := newLog()
	piece := bytes.Repeat([]byte("x"), 1000)
	for i := range 5000 {
		l.add(i, KindStdout, piece)
	}
	if l.size > maxLog {
		t.Errorf("%d bytes are kept, more than %d", l.size, maxLog)
	}
	var first, last, n int
	err := l.read(t.Context(), 0, false, func(e Entry) error {
		if n++; n == 1 {
			first = e.Exec
		}
		last = e.Exec
		return nil
	})
	if err != nil || last != 4999 || first != 5000-n || n < 900 {
		t.Errorf("%d entries from %d to %d, %v", n, first, last, err)
	}
	l.add(1, KindStdout, make([]byte, 10*maxLog))
	if l.size > maxLog {
		t.Errorf("one large piece: %d bytes are kept", l.size)
	}
}

func TestLog_isFollowedToItsEnd(t *testing.T) {
	l := newLog()
	l.add(1, KindStart, []byte("one"))
	got := make(chan string, 10)
	done := make(chan error, 1)
	go func() {
		done <- l.read(t.Context(), 1, true, func(e Entry) error { got <- string(e.Text); return nil })
	}()
	if s := <-got; s != "one" {
		t.Errorf("got %q", s)
	}
	l.add(2, KindStart, []byte("another's"))
	l.add(1, KindEnd, []byte("two"))
	if s := <-got; s != "two" {
		t.Errorf("got %q", s)
	}
	l.close()
	if err := <-done; err != nil {
		t.Errorf("read = %v", err)
	}
}

func TestLog_followingEndsWithItsReader(t *testing.T) {
	l := newLog()
	gone := errors.New("gone")
	ctx, cancel := context.WithTimeoutCause(t.Context(), 10*time.Millisecond, gone)
	defer cancel()
	if err := l.read(ctx, 0, true, func(Entry) error { return nil }); !errors.Is(err, gone) {
		t.Errorf("read = %v", err)
	}
	l.add(1, KindStart, nil)
	if err := l.read(t.Context(), 0, true, func(Entry) error { return gone }); !errors.Is(err, gone) {
		t.Errorf("read = %v", err)
	}
}
