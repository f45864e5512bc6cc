package store

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash"
	"io"
	"strings"

	"github.com/bulkhead-dev/bulkhead/internal/fault"
)

const digestPrefix = "sha256:"

// Digest writes a SHA-256 sum as blobs and graphs are named.
func Digest(sum []byte) string { return digestPrefix + hex.EncodeToString(sum) }

// ParseDigest returns the 64 lower-case hex digits of a digest. Its error is
// fault.Invalid, so that a digest is always safe to use in a path.
func ParseDigest(digest string) (string, error) {
	digits, ok := strings.CutPrefix(digest, digestPrefix)
	if !ok || len(digits) != 2*sha256.Size || strings.Trim(digits, "0123456789abcdef") != "" {
		return "", fault.Newf(fault.Invalid, "digest %q: want sha256: and 64 hex digits", trim(digest))
	}
	return digits, nil
}

// Verify returns a reader over rc that fails with fault.Corrupt instead of
// io.EOF when what it read does not match the digest.
func Verify(rc io.ReadCloser, digest string) io.ReadCloser {
	return &verifier{ReadCloser: rc, digest: digest, sum: sha256.New()}
}

type verifier struct {
	io.ReadCloser
	digest string
	sum    hash.Hash
}

// Read hashes what passes and judges it at the end.
func (v *verifier) Read(p []byte) (int, error) {
	n, err := v.ReadCloser.Read(p)
	v.sum.Write(p[:n])
	if err != io.EOF {
		if err != nil {
			err = fmt.Errorf("read blob: %w", err)
		}
		return n, err
	}
	if got := Digest(v.sum.Sum(nil)); got != v.digest {
		return n, fault.Newf(fault.Corrupt, "blob %s: its bytes have the digest %s", v.digest, got)
	}
	return n, io.EOF
}
