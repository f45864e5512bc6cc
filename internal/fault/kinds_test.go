package fault

import (
	"io"
	"testing"
)

func TestTable_hasACompleteRowForEachKind(t *testing.T) {
	if got, want := len(Table), int(Internal)+1; got != want {
		t.Fatalf("the table has %d rows, want %d", got, want)
	}
	exits := map[int]bool{0: true, 1: true, 2: true, 3: true, 4: true, 5: true, 130: true}
	seen := map[string]bool{}
	for k, row := range Table {
		if row.Name == "" || seen[row.Name] {
			t.Errorf("kind %d has the name %q: empty or not its own", k, row.Name)
		}
		seen[row.Name] = true
		if !exits[row.Exit] {
			t.Errorf("%s: exit code %d is not in the documented table", row.Name, row.Exit)
		}
		if row.GRPC < 0 || row.GRPC > 16 {
			t.Errorf("%s: %d is not a gRPC code", row.Name, row.GRPC)
		}
		if Kind(k) == OK {
			continue
		}
		if row.Exit == 0 || row.GRPC == 0 || row.MCP >= 0 {
			t.Errorf("%s looks like success: %+v", row.Name, row)
		}
		if row.HTTP < 400 || row.HTTP > 599 {
			t.Errorf("%s: HTTP status %d is no error", row.Name, row.HTTP)
		}
	}
}

func TestTable_succeedsOnlyForOK(t *testing.T) {
	if got, want := OK.Row(), (Row{"ok", 0, 0, 200, 0}); got != want {
		t.Errorf("row of OK = %+v, want %+v", got, want)
	}
}

func TestRow_ofAnUnknownKindIsInternal(t *testing.T) {
	for _, k := range []Kind{-1, Kind(len(Table)), 1 << 30} {
		if got := k.Row(); got != Table[Internal] {
			t.Errorf("row of kind %d = %+v, want that of internal", int(k), got)
		}
	}
}

func TestExitCode(t *testing.T) {
	for _, row := range []struct {
		name string
		err  error
		want int
	}{
		{"done", nil, 0},
		{"the job failed", New(Failed, "x"), 1},
		{"bad input", Problems{{Reason: "x"}}, 2},
		{"danger", New(Danger, "x"), 3},
		{"cancelled", New(Cancelled, "x"), 4},
		{"the host cannot", New(Unsupported, "x"), 5},
		{"interrupted", New(Interrupted, "x"), 130},
		{"not classified", io.EOF, 5},
	} {
		t.Run(row.name, func(t *testing.T) {
			if got := ExitCode(row.err); got != row.want {
				t.Errorf("ExitCode = %d, want %d", got, row.want)
			}
		})
	}
}
