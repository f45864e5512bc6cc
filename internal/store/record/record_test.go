package record

import (
	"bytes"
	"encoding/json"
	"reflect"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/bulkhead-dev/bulkhead/event"
	"github.com/bulkhead-dev/bulkhead/internal/fault"
)

var key = []byte("jalpha\x00e1")

func fullEvent() Event {
	return Event{
		Command: event.CommandID{1, 2, 3}, Owner: 7,
		Event: event.Event{
			V: 1, Job: "alpha", Seq: 9, Time: time.Date(2026, 2, 3, 4, 5, 6, 7, time.UTC),
			Kind: event.AttemptFailed, Actor: "node:a", Cause: 8, Node: "a", Edge: "a->b:x",
			Message: "0011", Attempt: 3, Epoch: 7, Name: "retry", Reason: "exit 3",
			Data: &event.Body{
				Inline: json.RawMessage(`{"a":1}`),
				Ref:    &event.BlobRef{Digest: "sha256:00", Size: 5, Type: "text/plain"},
			},
		},
	}
}

// TestEvent_fullHasEveryField fails when event.Event gains a field that
// neither this test nor the record knows.
func TestEvent_fullHasEveryField(t *testing.T) {
	v := reflect.ValueOf(fullEvent().Event)
	for i := range v.NumField() {
		if v.Field(i).IsZero() {
			t.Errorf("field %s is zero in the full event", v.Type().Field(i).Name)
		}
	}
}

func TestEvent_comesBackAsWritten(t *testing.T) {
	full := fullEvent()
	bare := Event{Event: event.Event{Job: "alpha", Seq: 9, Time: time.Time{}.UTC(), Kind: "x"}}
	empty := bare
	empty.Data = &event.Body{}
	for name, want := range map[string]Event{"full": full, "bare": bare, "empty body": empty} {
		t.Run(name, func(t *testing.T) {
			got, err := DecodeEvent(key, AppendEvent(nil, key, &want), "alpha", 9)
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(want, got); d != "" {
				t.Error(d)
			}
		})
	}
}

func TestHead_comesBackAsWritten(t *testing.T) {
	want := Head{
		Version: 300, Epoch: 4, Command: event.CommandID{9}, Commands: 70, State: []byte(`{"n":1}`),
		Summary: event.Summary{
			Job: "alpha", Name: "n", Status: event.JobStateRunning, Reason: "r", Version: 300, Epoch: 4,
			Submitted: time.Unix(1, 2).UTC(), Updated: time.Unix(3, 4).UTC(),
		},
	}
	got, err := DecodeHead(key, AppendHead(nil, key, &want), "alpha")
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}

func TestSmallRecords_comeBackAsWritten(t *testing.T) {
	command := Command{ID: event.CommandID{5}, Count: 65, Version: 12}
	timer := event.Timer{Key: "k\x00", Due: time.Unix(5, 6).UTC(), Name: "retry", Node: "n"}
	permit := event.Permit{Key: "db", Holder: "j/n/m", Slots: -1}
	check(t, command, AppendCommand(nil, key, &command), DecodeCommand)
	check(t, timer, AppendTimer(nil, key, &timer), DecodeTimer)
	check(t, permit, AppendPermit(nil, key, &permit), DecodePermit)
	check(t, []byte("any"), AppendOpaque(nil, key, []byte("any")), DecodeOpaque)
}

func check[T any](t *testing.T, want T, rec []byte, decode func(key, rec []byte) (T, error)) {
	t.Helper()
	got, err := decode(key, rec)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}

func TestDecode_findsEveryFlippedBit(t *testing.T) {
	e := fullEvent()
	rec := AppendEvent(nil, key, &e)
	for i := range len(rec) * 8 {
		bad := bytes.Clone(rec)
		bad[i/8] ^= 1 << (i % 8)
		if _, err := DecodeEvent(key, bad, "alpha", 9); fault.KindOf(err) != fault.Corrupt {
			t.Fatalf("bit %d flipped: error = %v, want corrupt", i, err)
		}
	}
}

func TestDecode_findsEveryTruncation(t *testing.T) {
	e := fullEvent()
	rec := AppendEvent(nil, key, &e)
	for n := range rec {
		if _, err := DecodeEvent(key, rec[:n], "alpha", 9); fault.KindOf(err) != fault.Corrupt {
			t.Fatalf("cut to %d bytes: error = %v, want corrupt", n, err)
		}
	}
}

func TestDecode_refusesARecordFromAnotherKey(t *testing.T) {
	e := fullEvent()
	rec := AppendEvent(nil, key, &e)
	if _, err := DecodeEvent([]byte("jalpha\x00e2"), rec, "alpha", 10); fault.KindOf(err) != fault.Corrupt {
		t.Errorf("error = %v, want corrupt", err)
	}
}

func TestDecode_refusesAnUnknownFormat(t *testing.T) {
	rec := seal([]byte{Format + 1, 0}, 0, key)
	if _, err := DecodeOpaque(key, rec); fault.KindOf(err) != fault.Corrupt {
		t.Errorf("error = %v, want corrupt", err)
	}
}

func TestDecode_refusesFieldsThatDoNotFit(t *testing.T) {
	rows := map[string][]byte{
		"nothing":            nil,
		"length beyond end":  {200, 1},
		"length of 2^64-1":   {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1},
		"unfinished varint":  {0x80},
		"something left":     {0, 1},
		"varint of 11 bytes": {0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0},
	}
	for name, fields := range rows {
		t.Run(name, func(t *testing.T) {
			rec := seal(append([]byte{Format}, fields...), 0, key)
			if _, err := DecodeOpaque(key, rec); fault.KindOf(err) != fault.Corrupt {
				t.Errorf("error = %v, want corrupt", err)
			}
		})
	}
}

// FuzzDecode feeds hostile fields behind a valid checksum.
func FuzzDecode(f *testing.F) {
	e := fullEvent()
	rec := AppendEvent(nil, key, &e)
	f.Add(rec[1 : len(rec)-sumSize])
	f.Fuzz(func(t *testing.T, fields []byte) {
		rec := seal(append([]byte{Format}, fields...), 0, key)
		if got, err := DecodeEvent(key, rec, "alpha", 9); err == nil {
			again, err := DecodeEvent(key, AppendEvent(nil, key, &got), "alpha", 9)
			if err != nil || !cmp.Equal(got, again) {
				t.Fatalf("not stable: %v\n%s", err, cmp.Diff(got, again))
			}
		}
		_, _ = DecodeHead(key, rec, "alpha")
		_, _ = DecodeCommand(key, rec)
		_, _ = DecodeTimer(key, rec)
		_, _ = DecodePermit(key, rec)
		_, _ = DecodeOpaque(key, rec)
	})
}
