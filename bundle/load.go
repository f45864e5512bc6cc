package bundle

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/bulkhead-dev/bulkhead/bundle/internal/tree"
	"github.com/bulkhead-dev/bulkhead/internal/fault"
)

// Native is the name of our own dialect, the value of apiVersion.
const Native = "bulkhead/v1"

// ManifestName is the manifest's name in a bundle's folder.
const ManifestName = "manifest.json"

// maxManifest is the greatest size of a manifest in bytes.
const maxManifest = 8 << 20

// Dialect reads the manifests of another project.
type Dialect struct {
	// Lower turns a manifest into our graph. Warnings name what has no effect
	// here. With problems the graph holds the parts that were sound.
	Lower func(file string, manifest []byte) (g Graph, warnings, problems fault.Problems)

	// Keys says under which names the dialect knows our keys, so that a
	// problem found in the graph can point into the manifest.
	Keys map[string][]string
}

// Load reads and checks the bundle in a folder. A manifest that does not say
// apiVersion bulkhead/v1 goes to the foreign dialect, if one is given:
// package bundle/all has a Load that knows them all.
//
// Everything wrong with the manifest and the payloads comes back at once as
// fault.Problems. A folder that is none, or lacks a part, is a fault.Error of
// kind NotFound or Invalid. Nothing of the bundle is run.
func Load(dir string, foreign ...Dialect) (*Bundle, error) {
	abs, err := folder(dir)
	if err != nil {
		return nil, err
	}
	root, err := os.OpenRoot(abs)
	if err != nil {
		return nil, unreadable(dir, err)
	}
	b, err := read(dir, root, foreign)
	if err != nil {
		return nil, errors.Join(err, root.Close())
	}
	b.Root, b.root = abs, root
	return b, nil
}

// folder checks that dir is a folder and returns its absolute path.
func folder(dir string) (string, error) {
	abs, err := filepath.Abs(dir)
	if err != nil {
		return "", fault.Newf(fault.Internal, "absolute path of %s: %w", dir, err)
	}
	info, err := os.Stat(abs)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return "", fault.Newf(fault.NotFound, "%s does not exist", dir).WithHint("name the folder that holds manifest.json and payloads/")
	case err != nil:
		return "", unreadable(dir, err)
	case !info.IsDir():
		return "", fault.Newf(fault.Invalid, "%s is a file, not a bundle's folder", dir).WithHint("name the folder that holds manifest.json and payloads/")
	}
	return abs, nil
}

func unreadable(name string, err error) error {
	return fault.Newf(fault.Invalid, "%s cannot be read: %w", name, cause(err))
}

// cause strips the operation and path from a file error.
func cause(err error) error {
	var pe *fs.PathError
	if errors.As(err, &pe) {
		return pe.Err
	}
	return err
}

// read reads the bundle below root. Dir is its name for messages.
func read(dir string, root *os.Root, foreign []Dialect) (*Bundle, error) {
	info, data, err := manifest(dir, root)
	if err != nil {
		return nil, err
	}
	payloads, err := openPayloads(dir, root)
	if err != nil {
		return nil, err
	}
	defer payloads.Close()

	scan := scanPayloads(filepath.Join(dir, payloadsDir), payloads.FS(), defaultBounds)
	parsed := parseManifest(filepath.Join(dir, ManifestName), data, &scan, foreign)
	if problems := append(parsed.problems, scan.problems...); len(problems) > 0 {
		return nil, problems
	}
	return &Bundle{
		FS:       root.FS(),
		Graph:    parsed.graph,
		Digest:   digest(manifestFile(info, data), scan.files),
		Files:    scan.files,
		Warnings: parsed.warnings,
		Dialect:  parsed.graph.Dialect,
	}, nil
}

// manifest reads the manifest's bytes.
func manifest(dir string, root *os.Root) (fs.FileInfo, []byte, error) {
	path := filepath.Join(dir, ManifestName)
	info, err := root.Lstat(ManifestName)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, nil, fault.Newf(fault.NotFound, "%s has no manifest.json", dir).WithHint("a bundle is a folder with manifest.json and payloads/")
	case err != nil:
		return nil, nil, unreadable(path, err)
	case !info.Mode().IsRegular():
		return nil, nil, fault.Newf(fault.Invalid, "%s is %s, not a regular file", path, kindOf(info.Mode()))
	}
	f, err := root.Open(ManifestName)
	if err != nil {
		return nil, nil, unreadable(path, err)
	}
	defer f.Close()

	data, err := io.ReadAll(io.LimitReader(f, maxManifest+1))
	if err != nil {
		return nil, nil, unreadable(path, err)
	}
	if len(data) > maxManifest {
		return nil, nil, fault.Newf(fault.Invalid, "%s is larger than %d MiB", path, maxManifest>>20).WithHint("put data into payloads/")
	}
	return info, data, nil
}

// openPayloads opens payloads/ as a root of its own, so that no link in it
// leaves it.
func openPayloads(dir string, root *os.Root) (*os.Root, error) {
	path := filepath.Join(dir, payloadsDir)
	info, err := root.Lstat(payloadsDir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, fault.Newf(fault.NotFound, "%s has no payloads/ folder", dir).WithHint("create it; it may be empty")
	case err != nil:
		return nil, unreadable(path, err)
	case !info.IsDir():
		return nil, fault.Newf(fault.Invalid, "%s is %s, not a folder", path, kindOf(info.Mode()))
	}
	payloads, err := root.OpenRoot(payloadsDir)
	if err != nil {
		return nil, unreadable(path, err)
	}
	return payloads, nil
}

// parsed is what a manifest says.
type parsed struct {
	graph    Graph
	warnings fault.Problems
	problems fault.Problems
}

// parseManifest reads a manifest of any known dialect and checks the graph
// against the payloads.
func parseManifest(file string, data []byte, payloads *scan, foreign []Dialect) parsed {
	root, problems := tree.Parse(file, data)
	if problems != nil {
		return parsed{problems: problems}
	}
	p, keys := dispatch(file, root, data, foreign)
	if p.graph.Dialect == "" {
		return p
	}
	c := checker{graph: &p.graph, payloads: payloads}
	c.check()
	p.problems = merge(file, root, keys, p.problems, c.problems)
	p.warnings = append(p.warnings, merge(file, root, keys, nil, c.warnings)...)
	return p
}

// dispatch hands the manifest to the reader of its dialect.
func dispatch(file string, root *tree.Node, data []byte, foreign []Dialect) (parsed, map[string][]string) {
	if root.Kind != tree.Object {
		return parsed{problems: at(file, root, fmt.Sprintf("a manifest is a JSON object, this is %s", root.Kind), "")}, nil
	}
	version := root.Get("apiVersion")
	ours := version != nil && version.Kind == tree.String && strings.HasPrefix(version.Text, "bulkhead")
	switch {
	case ours && version.Text == Native:
		return decode(file, root), nil
	case ours:
		return parsed{problems: at(file, version, fmt.Sprintf("apiVersion %s is not known", tree.Quote(version.Text)), `this version reads "bulkhead/v1"`)}, nil
	case len(foreign) > 0:
		g, warnings, problems := foreign[0].Lower(file, data)
		return parsed{g, warnings, problems}, foreign[0].Keys
	case version == nil:
		return parsed{problems: at(file, root, "apiVersion is missing", `add "apiVersion": "bulkhead/v1"`)}, nil
	}
	return parsed{problems: at(file, version, fmt.Sprintf("apiVersion is %s, not %q", tree.Clip(string(version.Raw)), Native), "")}, nil
}

// at is one problem at a node.
func at(file string, n *tree.Node, reason, fix string) fault.Problems {
	r := tree.Reader{File: file}
	r.Add(n, reason, fix)
	return r.Problems()
}

// merge adds the findings of the graph's check, with their places in the
// manifest, to what reading it found. A finding about a value that reading
// has already complained of would only repeat it, and is left out.
func merge(file string, root *tree.Node, keys map[string][]string, read, checked fault.Problems) fault.Problems {
	said := make(map[string]bool, len(read))
	for _, p := range read {
		said[p.Pointer] = true
		said[section(p.Pointer)] = true
	}
	for _, p := range checked {
		n, pointer := root.Locate(p.Pointer, keys)
		if covers(said, pointer) {
			continue
		}
		p.File, p.Pointer, p.Line, p.Column = file, pointer, n.Line, n.Column
		read = append(read, p)
	}
	return read
}

// section is the key of the manifest that a pointer leads into, marked so that
// it stands for the key and not for everything beneath.
func section(pointer string) string {
	key, _, _ := strings.Cut(strings.TrimPrefix(pointer, "/"), "/")
	return "section " + key
}

// covers reports whether there is a word about a value already: about the
// value, about one that holds it, or, for a section of the manifest as a
// whole, about a part of it.
func covers(said map[string]bool, pointer string) bool {
	if strings.Count(pointer, "/") == 1 && said[section(pointer)] {
		return true
	}
	for ; pointer != ""; pointer = pointer[:strings.LastIndexByte(pointer, '/')] {
		if said[pointer] {
			return true
		}
	}
	return false
}
