package bundle

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"path"
	"slices"
	"strings"

	"github.com/bulkhead-dev/bulkhead/internal/fault"
)

// maxSearched is how much of a file is searched, in bytes.
const maxSearched = 4 << 20

// files reviews the manifest and every payload. A file in which nothing is
// strange has no line.
func (r *reviewer) files() {
	r.file(File{Path: ManifestName})
	for _, f := range r.bundle.Files {
		r.file(f)
	}
	r.subject = "bundle"
	r.say("files", fmt.Sprintf("%d", len(r.bundle.Files)), fine)
}

func (r *reviewer) file(f File) {
	r.subject = "file " + shown(f.Path)
	r.mode(f)
	r.name(f.Path)
	if f.Mode&fs.ModeSymlink != 0 {
		return
	}
	data, err := r.read(f.Path)
	if err != nil {
		r.say("content", "unread", look("cannot be read: "+cause(err).Error()))
		return
	}
	r.content(f, data)
}

// read returns the part of a file that is searched.
func (r *reviewer) read(name string) ([]byte, error) {
	if r.bundle.FS == nil {
		return nil, fault.New(fault.Unavailable, "the bundle has no files at hand")
	}
	f, err := r.bundle.FS.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, maxSearched))
}

func (r *reviewer) mode(f File) {
	switch {
	case f.Mode&fs.ModeSymlink != 0:
		r.say("link", "symbolic link", look("another file stands behind it"))
	case f.Mode&(fs.ModeSetuid|fs.ModeSetgid) != 0:
		r.say("mode", f.Mode.String(), danger("would run with the rights of its owner"))
	case f.Mode&0o111 != 0:
		r.say("mode", f.Mode.String(), look("executable"))
	case f.Mode&0o002 != 0:
		r.say("mode", f.Mode.String(), look("anybody on the host may change it"))
	}
}

// hooks are files that tools run by themselves, by base name or ending, and
// who runs them.
var hooks = []struct{ pattern, runBy string }{
	{"setup.py", "pip runs it at install time"},
	{"setup.cfg", "pip reads it at install time"},
	{"pyproject.toml", "pip runs its build backend at install time"},
	{"conftest.py", "pytest runs it"},
	{"sitecustomize.py", "Python runs it at every start"},
	{"usercustomize.py", "Python runs it at every start"},
	{"*.pth", "Python runs its import lines at every start"},
	{"Makefile", "make runs it"},
	{"makefile", "make runs it"},
	{"GNUmakefile", "make runs it"},
	{"build.rs", "cargo runs it at build time"},
	{"binding.gyp", "npm builds it at install time"},
	{"Rakefile", "rake runs it"},
	{"extconf.rb", "gem runs it at install time"},
	{".envrc", "direnv runs it"},
	{".npmrc", "npm reads it; it can name another registry"},
	{"pip.conf", "pip reads it; it can name another registry"},
	{".pre-commit-config.yaml", "git runs its hooks"},
	{".bashrc", "shells run it"},
	{".profile", "shells run it"},
	{".bash_profile", "shells run it"},
}

// name reviews what a file's name alone says.
func (r *reviewer) name(name string) {
	parts := strings.Split(name, "/")
	if i := slices.IndexFunc(parts, func(p string) bool { return strings.HasPrefix(p, ".") }); i >= 0 {
		r.say("hidden", parts[i], look("listings leave it out"))
	}
	if i := slices.Index(parts, "hooks"); i > 0 && i < len(parts)-1 && (parts[i-1] == ".git" || parts[i-1] == ".husky") {
		r.say("install hook", name, look("git runs it"))
	}
	base := path.Base(name)
	for _, h := range hooks {
		if ok, _ := path.Match(h.pattern, base); ok {
			r.say("install hook", base, look(h.runBy))
		}
	}
}

// content reviews what a file holds.
func (r *reviewer) content(f File, data []byte) {
	kind := magicOf(data)
	if kind.name != "" {
		r.say("binary", kind.name, kind.finding)
	}
	if path.Base(f.Path) == "package.json" {
		r.npmHooks(data)
	}
	for _, s := range findSecrets(data) {
		line := 1 + bytes.Count(data[:s.offset], []byte("\n"))
		r.say("secret", fmt.Sprintf("%s, line %d", s.what, line), danger("a secret in a bundle is known to all who have it"))
	}
	if f.Size > maxSearched {
		r.say("content", fmt.Sprintf("%d bytes", f.Size), look(fmt.Sprintf("only the first %d MiB were searched", maxSearched>>20)))
	}
}

// lifecycle are the scripts of package.json that npm runs by itself.
var lifecycle = []string{"preinstall", "install", "postinstall", "preprepare", "prepare", "postprepare", "prepublish"}

func (r *reviewer) npmHooks(data []byte) {
	var pkg struct {
		Scripts map[string]any `json:"scripts"`
	}
	if json.Unmarshal(data, &pkg) != nil {
		r.say("install hook", "package.json", look("cannot be read as JSON"))
		return
	}
	for _, name := range lifecycle {
		if script, ok := pkg.Scripts[name]; ok {
			r.say("install hook", fmt.Sprintf("%s: %v", name, script), look("npm runs it at install time"))
		}
	}
}

// magic is a kind of file known by its first bytes.
type magic struct {
	prefix string
	name   string
	finding
}

// Programs for the processor are a danger whatever their mode: a payload may
// be run by any node, and what a program does cannot be read. What an
// interpreter or an unpacker must take first is for a person to look at.
var (
	program = danger("a compiled program; what it does cannot be read")
	opaque  = look("cannot be read as text")
)

var magics = []magic{
	{"\x7fELF", "ELF program", program},
	{"MZ", "Windows program", program}, // with a NUL soon after; see magicOf
	{"\xfe\xed\xfa\xce", "Mach-O program", program},
	{"\xfe\xed\xfa\xcf", "Mach-O program", program},
	{"\xce\xfa\xed\xfe", "Mach-O program", program},
	{"\xcf\xfa\xed\xfe", "Mach-O program", program},
	{"\xca\xfe\xba\xbe", "Mach-O or Java program", program},
	{"!<arch>\n", "object archive", program},
	{"\x00asm", "WebAssembly module", opaque},
	{"PK\x03\x04", "zip archive", opaque},
	{"\x1f\x8b", "gzip data", opaque},
	{"BZh", "bzip2 data", opaque},
	{"\xfd7zXZ\x00", "xz data", opaque},
	{"\x28\xb5\x2f\xfd", "zstd data", opaque},
	{"\x80\x04\x95", "Python pickle", look("unpickling it runs code")},
}

// magicOf names the kind of a file that is not text; "" for text.
func magicOf(data []byte) magic {
	binary := bytes.IndexByte(data[:min(len(data), 8000)], 0) >= 0
	for _, m := range magics {
		if bytes.HasPrefix(data, []byte(m.prefix)) && (binary || m.prefix != "MZ") {
			return m
		}
	}
	if binary {
		return magic{name: "binary data", finding: opaque}
	}
	return magic{}
}
