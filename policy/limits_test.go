package policy

import (
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestLimits_haveARowForEachField(t *testing.T) {
	fields := reflect.TypeFor[Limits]()
	if got, want := len(limits), fields.NumField(); got != want {
		t.Fatalf("the table has %d rows, want %d", got, want)
	}
	for i, row := range limits {
		tag, _, _ := strings.Cut(fields.Field(i).Tag.Get("json"), ",")
		if row.name != tag {
			t.Errorf("row %d is %q, want %q", i, row.name, tag)
		}
	}
}

func TestDefaults(t *testing.T) {
	want := Limits{
		Memory: 2 * GiB, PIDs: 512, OpenFiles: 1024, FileSize: 4 * GiB,
		Output: 16 * MiB, Scratch: 512 * MiB,
	}
	if diff := cmp.Diff(want, Defaults()); diff != "" {
		t.Error(diff)
	}
}

func TestEffective_keepsWhatIsWritten(t *testing.T) {
	got := Limits{Memory: MiB, WallTime: time.Second}.Effective()
	want := Defaults()
	want.Memory, want.WallTime = MiB, time.Second
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}
