package main

import (
	"bytes"
	"strings"
	"testing"
)

func TestSpool_keepsEverythingInOrder(t *testing.T) {
	for _, size := range []int{0, 10, maxSpool, maxSpool + 1, 3*maxSpool + 7} {
		s := new(spool)
		want := strings.Repeat("0123456789", size/10) + strings.Repeat("x", size%10)
		for rest := want; rest != ""; {
			n := min(len(rest), 300_001)
			if _, err := s.Write([]byte(rest[:n])); err != nil {
				t.Fatal(err)
			}
			rest = rest[n:]
		}
		var got bytes.Buffer
		if err := s.flush(&got); err != nil {
			t.Fatal(err)
		}
		if got.String() != want {
			t.Errorf("%d bytes came back as %d", len(want), got.Len())
		}
	}
}
