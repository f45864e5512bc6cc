package fault

import "testing"

func TestNearest(t *testing.T) {
	known := []string{"read", "write", "protect", "limits", "filesystem", "env", "layer"}
	for _, row := range []struct{ name, got, want string }{
		{"a letter is missing", "filesytem", "filesystem"},
		{"a letter is wrong", "loyer", "layer"},
		{"a letter is too much", "envv", "env"},
		{"two letters are swapped", "raed", "read"},
		{"a short word with one slip", "emv", "env"},
		{"the word itself", "write", "write"},
		{"a third of the letters may differ", "fylesistem", "filesystem"},
		{"more than that is another word", "volumes", ""},
		{"nothing", "", ""},
		{"the closest of two", "lirits", "limits"},
	} {
		t.Run(row.name, func(t *testing.T) {
			if got := Nearest(row.got, known); got != row.want {
				t.Errorf("Nearest(%q) = %q, want %q", row.got, got, row.want)
			}
		})
	}
}

func TestNearest_knowsNothingWithoutWords(t *testing.T) {
	if got := Nearest("layer", nil); got != "" {
		t.Errorf("Nearest = %q, want nothing", got)
	}
}

func TestNearest_takesTheFirstOfEquals(t *testing.T) {
	if got := Nearest("bat", []string{"cat", "hat"}); got != "cat" {
		t.Errorf("Nearest = %q, want cat", got)
	}
}

func TestDistance_isSymmetric(t *testing.T) {
	for _, row := range []struct {
		a, b string
		want int
	}{
		{"", "", 0},
		{"", "abc", 3},
		{"abc", "abc", 0},
		{"kitten", "sitting", 3},
		{"ab", "ba", 1},
		{"abcd", "badc", 2},
		{"raed", "read", 1},
	} {
		if got := distance(row.a, row.b); got != row.want {
			t.Errorf("distance(%q, %q) = %d, want %d", row.a, row.b, got, row.want)
		}
		if got := distance(row.b, row.a); got != row.want {
			t.Errorf("distance(%q, %q) = %d, want %d", row.b, row.a, got, row.want)
		}
	}
}
