package command

import (
	"os"
	"strings"
	"testing"
)

func TestContractPage_namesEverything(t *testing.T) {
	raw, err := os.ReadFile("../../../docs/worker-contract.md")
	if err != nil {
		t.Fatal(err)
	}
	page := string(raw)
	var words []string
	for _, v := range variables {
		row := "`MN_" + v.name + "` |"
		words = append(words, row)
		_, rest, _ := strings.Cut(page, row)
		line, _, _ := strings.Cut(rest, "\n")
		if strings.Contains(line, "alias") != v.alias || strings.Contains(line, "soft") != v.soft {
			t.Errorf("the row of MN_%s is wrong about alias or soft: %s", v.name, line)
		}
	}
	for key := range keys {
		words = append(words, "| `"+key+"` |")
	}
	for _, p := range placeholders {
		words = append(words, "`{"+p.word+"}`")
	}
	for _, name := range []string{inputFile, messageFile, contextFile, bodyFile} {
		words = append(words, "| `"+name+"` |")
	}
	for _, word := range words {
		if !strings.Contains(page, word) {
			t.Errorf("the page lacks %s", word)
		}
	}
	if got := strings.Count(page, "\n| `MN_"); got != len(variables) {
		t.Errorf("the page has %d variables, there are %d", got, len(variables))
	}
}
