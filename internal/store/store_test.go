package store_test

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/bulkhead-dev/bulkhead/event"
	"github.com/bulkhead-dev/bulkhead/internal/fault"
	"github.com/bulkhead-dev/bulkhead/internal/store"
	"github.com/bulkhead-dev/bulkhead/internal/store/storetest"
)

func TestSuite_hasAtLeastFortyCases(t *testing.T) {
	if n := storetest.Count(); n < 40 {
		t.Errorf("the suite has %d cases", n)
	}
}

func TestPrepare_fillsInWhatFollows(t *testing.T) {
	tr := storetest.Step("a", 4, 2)
	tr.Epoch = 7
	got, err := store.Prepare(tr)
	if err != nil {
		t.Fatal(err)
	}
	if s := got.Summary; s.Job != "a" || s.Version != 6 || s.Epoch != 7 {
		t.Errorf("summary = %+v", s)
	}
	if got.Events[0].Seq != 5 || got.Events[1].Seq != 6 {
		t.Errorf("events are numbered %d, %d", got.Events[0].Seq, got.Events[1].Seq)
	}
}

func TestPrepare_sharesNoMemory(t *testing.T) {
	tr := storetest.Step("a", 0, 1)
	tr.Put = []event.Timer{{Key: "k"}}
	tr.Drop = []string{"d"}
	tr.Take = []event.Permit{{Key: "k", Holder: "h"}}
	tr.Release = []event.Permit{{Key: "k", Holder: "h"}}
	want, err := store.Prepare(tr)
	if err != nil {
		t.Fatal(err)
	}
	got, err := store.Prepare(tr)
	if err != nil {
		t.Fatal(err)
	}
	tr.State[0], tr.Events[0].Data.Inline[0], tr.Events[0].Name = 'X', 'X', "X"
	tr.Put[0].Key, tr.Drop[0], tr.Take[0].Key, tr.Release[0].Key = "X", "X", "X", "X"
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}

func TestAdmit_namesBothSides(t *testing.T) {
	rows := []struct {
		name    string
		version event.Seq
		epoch   event.Epoch
		t       event.Transition
		kind    fault.Kind
		says    string
	}{
		{"next", 4, 2, event.Transition{Job: "a", IfVersion: 4, Epoch: 2}, fault.OK, ""},
		{"next of a newer epoch", 4, 2, event.Transition{Job: "a", IfVersion: 4, Epoch: 3}, fault.OK, ""},
		{"new", 0, 0, event.Transition{Job: "a"}, fault.OK, ""},
		{"stale version", 4, 2, event.Transition{Job: "a", IfVersion: 3, Epoch: 2}, fault.Conflict, "version 3, it is at 4"},
		{"stale epoch", 4, 2, event.Transition{Job: "a", IfVersion: 4, Epoch: 1}, fault.Conflict, "epoch 1 is over, 2 has begun"},
		{"exists", 4, 2, event.Transition{Job: "a", Epoch: 2}, fault.Conflict, "exists already"},
		{"unknown", 0, 0, event.Transition{Job: "a", IfVersion: 1}, fault.NotFound, `no job "a"`},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			err := store.Admit(row.version, row.epoch, &row.t)
			if fault.KindOf(err) != row.kind || err != nil && !strings.Contains(err.Error(), row.says) {
				t.Errorf("error = %v, want %v that says %q", err, row.kind, row.says)
			}
		})
	}
}

func TestListKey_ordersNewestFirstThenById(t *testing.T) {
	at := func(s int64) time.Time { return time.Unix(s, 0) }
	far := time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC)
	old := time.Date(1, 1, 1, 0, 0, 1, 0, time.UTC)
	want := [][]byte{
		store.ListKey(far, "a"), store.ListKey(at(5), "a"), store.ListKey(at(5), "b"),
		store.ListKey(at(0), "a"), store.ListKey(at(-5), "a"), store.ListKey(old, "a"), store.ListKey(time.Time{}, "b"),
	}
	got := slices.Clone(want)
	rand.Shuffle(len(got), func(i, j int) { got[i], got[j] = got[j], got[i] })
	slices.SortFunc(got, bytes.Compare)
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	for _, key := range want {
		if back, err := store.ParseCursor(store.Cursor(key)); err != nil || !bytes.Equal(back, key) {
			t.Errorf("cursor of %x comes back as %x, %v", key, back, err)
		}
	}
}

func TestParseDigest_takesNothingButADigest(t *testing.T) {
	good := "sha256:" + strings.Repeat("0a", 32)
	if got, err := store.ParseDigest(good); err != nil || got != good[7:] {
		t.Errorf("ParseDigest = %q, %v", got, err)
	}
	for _, bad := range []string{
		"", good[7:], good + "0", good[:70], strings.ToUpper(good), "sha256:" + strings.Repeat("../", 21) + "a",
		"sha512:" + good[7:], good + "\n",
	} {
		if _, err := store.ParseDigest(bad); fault.KindOf(err) != fault.Invalid {
			t.Errorf("ParseDigest(%q) = %v, want invalid", bad, err)
		}
	}
}

func TestVerify_passesTheReadersErrorOn(t *testing.T) {
	broken := errors.New("cable pulled")
	r := store.Verify(io.NopCloser(iotest.ErrReader(broken)), "sha256:00")
	if _, err := io.ReadAll(r); !errors.Is(err, broken) {
		t.Errorf("error = %v", err)
	}
}

func TestVerify_doesNotTakeAnEndTooEarlyForGood(t *testing.T) {
	digest := "sha256:2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824" // of "hello"
	for text, want := range map[string]fault.Kind{"hello": fault.OK, "hell": fault.Corrupt, "": fault.Corrupt, "hello!": fault.Corrupt} {
		_, err := io.ReadAll(store.Verify(io.NopCloser(strings.NewReader(text)), digest))
		if fault.KindOf(err) != want {
			t.Errorf("reading %q: error = %v, want %v", text, err, want)
		}
	}
}
