package bundle

import (
	"crypto/sha256"
	"encoding/binary"
	"hash"
	"io/fs"
)

// digestHeader begins what is digested; another layout takes another header.
const digestHeader = "bulkhead bundle v1\n"

// manifestFile is the manifest as a file of the bundle.
func manifestFile(info fs.FileInfo, data []byte) File {
	sum := sha256.Sum256(data)
	return File{Path: ManifestName, Mode: info.Mode(), Size: int64(len(data)), Digest: hexDigest(sum[:])}
}

// digest names a bundle by what is in it: for the manifest and then each file
// under payloads/, sorted by path, the path, the type and permission bits, the
// size and the digest of the content. Texts are preceded by their length, so
// that no two bundles read alike.
func digest(manifest File, files []File) string {
	h := sha256.New()
	h.Write([]byte(digestHeader))
	writeNumber(h, uint64(len(files)+1))
	for _, f := range append([]File{manifest}, files...) {
		writeText(h, f.Path)
		writeNumber(h, uint64(modeBits(f.Mode)))
		writeNumber(h, uint64(f.Size))
		writeText(h, f.Digest)
	}
	return hexDigest(h.Sum(nil))
}

// modeBits are a mode's bits as Unix writes them, which do not change with
// Go's own: type, set-id and sticky bits, permissions.
func modeBits(mode fs.FileMode) uint32 {
	bits := uint32(mode.Perm())
	for _, b := range []struct {
		bit  fs.FileMode
		unix uint32
	}{
		{fs.ModeSymlink, 0o120000},
		{fs.ModeSetuid, 0o4000},
		{fs.ModeSetgid, 0o2000},
		{fs.ModeSticky, 0o1000},
	} {
		if mode&b.bit != 0 {
			bits |= b.unix
		}
	}
	return bits
}

func writeNumber(h hash.Hash, n uint64) {
	h.Write(binary.BigEndian.AppendUint64(nil, n))
}

func writeText(h hash.Hash, s string) {
	writeNumber(h, uint64(len(s)))
	h.Write([]byte(s))
}
