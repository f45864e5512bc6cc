package service

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"
	"unicode/utf8"

	"github.com/bulkhead-dev/bulkhead/event"
)

// attempt makes the event of an attempt.
func attempt(kind event.Kind, node event.NodeID, number int) event.Event {
	return event.Event{Kind: kind, Node: node, Attempt: number, Message: "m", Epoch: event.Epoch(number)}
}

// logRoom is a state folder with logs, and the jobs over it.
type logRoom struct {
	*Jobs
	store *countingStore
}

func newLogRoom(t *testing.T) *logRoom {
	t.Helper()
	s := newStore(t)
	return &logRoom{store: s, Jobs: NewJobs(Options{
		Store: s, State: t.TempDir(),
		Attempt: func(ev event.Event) string { return fmt.Sprintf("jobs/a/%s/%d", ev.Node, ev.Attempt) },
	})}
}

// print appends to what an attempt printed.
func (r *logRoom) print(t *testing.T, node string, number int, stream, text string) {
	t.Helper()
	dir := filepath.Join(r.State, "jobs/a", node, fmt.Sprint(number))
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	f, err := os.OpenFile(filepath.Join(dir, stream+".log"), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteString(text); err != nil {
		t.Fatal(err)
	}
}

func (r *logRoom) read(t *testing.T, q LogQuery) string {
	t.Helper()
	var b strings.Builder
	for c, err := range r.Logs(t.Context(), "a", q) {
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&b, "%s/%d/%s:%s|", c.Node, c.Attempt, c.Stream, c.Bytes)
	}
	return b.String()
}

func TestLogs_areInTheOrderOfAttempts(t *testing.T) {
	r := newLogRoom(t)
	r.store.add(t, "a", event.JobStateRunning,
		attempt(event.AttemptStarted, "x", 1), attempt(event.AttemptStarted, "y", 1),
		attempt(event.AttemptFailed, "x", 1), attempt(event.AttemptStarted, "x", 2))
	r.print(t, "x", 1, "stdout", "x1")
	r.print(t, "x", 1, "stderr", "oops")
	r.print(t, "y", 1, "stdout", "y1")
	r.print(t, "x", 2, "stdout", "x2")

	rows := []struct {
		name string
		q    LogQuery
		want string
	}{
		{"all", LogQuery{}, "x/1/stdout:x1|x/1/stderr:oops|y/1/stdout:y1|x/2/stdout:x2|"},
		{"one node", LogQuery{Node: "x"}, "x/1/stdout:x1|x/1/stderr:oops|x/2/stdout:x2|"},
		{"one attempt", LogQuery{Node: "x", Attempt: 2}, "x/2/stdout:x2|"},
		{"nothing", LogQuery{Node: "z"}, ""},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			if got := r.read(t, row.q); got != row.want {
				t.Errorf("logs = %q, want %q", got, row.want)
			}
		})
	}
}

func TestLogs_areCutBetweenRunes(t *testing.T) {
	r := newLogRoom(t)
	r.store.add(t, "a", event.JobStateCompleted, attempt(event.AttemptStarted, "x", 1), event.Event{Kind: event.JobCompleted})
	text := strings.Repeat("a", chunk-1) + strings.Repeat("é😀", chunk/3)
	r.print(t, "x", 1, "stdout", text)

	var got strings.Builder
	for c, err := range r.Logs(t.Context(), "a", LogQuery{}) {
		if err != nil {
			t.Fatal(err)
		}
		if !utf8.Valid(c.Bytes) || len(c.Bytes) > chunk {
			t.Errorf("a chunk of %d bytes is no text", len(c.Bytes))
		}
		got.Write(c.Bytes)
	}
	if got.String() != text {
		t.Error("the chunks are not the text")
	}
}

func TestLogs_keepBytesThatAreNoText(t *testing.T) {
	r := newLogRoom(t)
	r.store.add(t, "a", event.JobStateCompleted, attempt(event.AttemptStarted, "x", 1), event.Event{Kind: event.JobCompleted})
	text := "\xff\xfe\x80 and half a rune \xf0\x9f"
	r.print(t, "x", 1, "stdout", text)
	got := ""
	for c, err := range r.Logs(t.Context(), "a", LogQuery{}) {
		if err != nil {
			t.Fatal(err)
		}
		got += string(c.Bytes)
	}
	if got != text {
		t.Errorf("logs = %q, want %q", got, text)
	}
}

func TestLogs_followARunningAttempt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newLogRoom(t)
		r.store.add(t, "a", event.JobStateRunning, kinds(event.JobSubmitted)...)
		got := make(chan string, 1)
		go func() { got <- r.read(t, LogQuery{Follow: true}) }()
		synctest.Wait()

		idle := r.store.reads.Load()
		time.Sleep(time.Hour)
		synctest.Wait()
		if reads := r.store.reads.Load(); reads != idle {
			t.Errorf("an idle follower made %d reads", reads-idle)
		}

		r.store.add(t, "a", event.JobStateRunning, attempt(event.AttemptStarted, "x", 1))
		r.print(t, "x", 1, "stdout", "one ")
		time.Sleep(time.Second)
		r.print(t, "x", 1, "stdout", "two ")
		time.Sleep(time.Second)
		r.print(t, "x", 1, "stdout", "three")
		r.store.add(t, "a", event.JobStateCompleted, attempt(event.AttemptSucceeded, "x", 1), event.Event{Kind: event.JobCompleted})
		if text := <-got; text != "x/1/stdout:one |x/1/stdout:two |x/1/stdout:three|" {
			t.Errorf("logs = %q", text)
		}
	})
}

func TestLogs_doNotLeaveTheStateFolder(t *testing.T) {
	r := newLogRoom(t)
	r.store.add(t, "a", event.JobStateCompleted, attempt(event.AttemptStarted, "x", 1), event.Event{Kind: event.JobCompleted})
	outside := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(outside, []byte("secret"), 0o600); err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(r.State, "jobs/a/x/1")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(outside, filepath.Join(dir, "stdout.log")); err != nil {
		t.Fatal(err)
	}
	for c, err := range r.Logs(t.Context(), "a", LogQuery{}) {
		if err == nil {
			t.Errorf("read %q through a link", c.Bytes)
		}
	}
}

func TestPartialRune_findsTheBeginning(t *testing.T) {
	rows := []struct {
		in   string
		want int
	}{
		{"", 0},
		{"abc", 0},
		{"é", 0},
		{"a\xc3", 1},
		{"\xe2\x82", 2},
		{"\xf0\x9f\x98", 3},
		{"\xf0\x9f\x98\x80", 0},
		{"\x80\x80\x80\x80", 0},
		{"\xff", 0},
	}
	for _, row := range rows {
		if got := partialRune([]byte(row.in)); got != row.want {
			t.Errorf("partialRune(%q) = %d, want %d", row.in, got, row.want)
		}
	}
}
