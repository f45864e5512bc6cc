package bulkhead_test

import (
	"bytes"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// forbidden is what no file of the project may say, and why. The words are
// put together here so that this file does not say them either.
var forbidden = []struct {
	why string
	re  *regexp.Regexp
}{
	{"unfinished work", regexp.MustCompile(`(//|#|/\*|--)\s*(` + "TO" + `DO|` + "FIX" + `ME)\b`)},
	{"a person's home folder", regexp.MustCompile("/ho" + `me/([a-z][a-z0-9_-]*)/`)},
	{"a person's home folder", regexp.MustCompile("/Us" + `ers/([A-Za-z][A-Za-z0-9_.-]*)/`)},
	{"a package registry's host", regexp.MustCompile(`(proxy\.` + `golang|registry\.` + `npmjs|deb\.` + `debian)\.`)},
	{"a machine's private folder", regexp.MustCompile(`\.\./sha` + `red\b`)},
}

// examplePeople may own a home folder in tests and examples.
var examplePeople = map[string]bool{"user": true, "you": true, "me": true, "alice": true, "bob": true, "ann": true, "someone": true}

func TestTree_saysNothingPrivate(t *testing.T) {
	for name, data := range textFiles(t) {
		for _, f := range forbidden {
			for _, m := range f.re.FindAllSubmatch(data, -1) {
				if len(m) > 1 && examplePeople[string(m[1])] {
					continue
				}
				t.Errorf("%s: says %q: %s", name, m[0], f.why)
			}
		}
	}
}

func TestTree_doesNotNameItsOwnFolder(t *testing.T) {
	here, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	if strings.Count(here, string(filepath.Separator)) < 2 {
		t.Logf("the checkout is at %s, too short a name to look for", here)
		return
	}
	for name, data := range textFiles(t) {
		if bytes.Contains(data, []byte(here+"/")) || bytes.HasSuffix(data, []byte(here)) {
			t.Errorf("%s: names the folder %s", name, here)
		}
	}
}

// textFiles reads every file of the project that has no NUL byte.
func textFiles(t *testing.T) map[string][]byte {
	t.Helper()
	files := map[string][]byte{}
	err := eachFile(func(name string) error {
		data, err := os.ReadFile(name)
		if err == nil && !bytes.ContainsRune(data, 0) && name != "go.sum" {
			files[name] = data
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}
