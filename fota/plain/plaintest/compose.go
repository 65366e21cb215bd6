// Package plaintest makes packages of images for tests of the back ends that take
// them. It knows keys that everybody may know, and must not be part of a program.
package plaintest

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"io"

	"lwm2m-agent/fota/signify"
)

// Signer signs as signify and usign do.
type Signer struct {
	id  string
	key ed25519.PrivateKey
}

// NewSigner returns the signer of a name of 8 bytes, which is its key's identifier.
func NewSigner(id string) Signer {
	seed := sha256.Sum256([]byte(id))
	return Signer{id[:8], ed25519.NewKeyFromSeed(seed[:])}
}

func (s Signer) file(content []byte) []byte {
	return fmt.Appendf(nil, "untrusted comment: of a test\n%s\n", base64.StdEncoding.EncodeToString(append([]byte("Ed"+s.id), content...)))
}

// PublicKey returns the file of the public key.
func (s Signer) PublicKey() []byte {
	return s.file(s.key.Public().(ed25519.PublicKey)) //nolint:forcetypeassert // it is one
}

// Key returns the public key.
func (s Signer) Key() signify.Key {
	k, err := signify.ParseKey(s.PublicKey())
	if err != nil {
		panic(err)
	}
	return k
}

// Sign returns the file of a signature.
func (s Signer) Sign(message []byte) []byte { return s.file(ed25519.Sign(s.key, message)) }

// Image is one image of a package.
type Image struct {
	Name    string
	Content []byte
	Gzip    bool
}

// Manifest makes a manifest of images; more are further lines, such as
// "compatible = lab".
func Manifest(version string, images []Image, more ...string) []byte {
	b := fmt.Appendf(nil, "lwm2m-agent images 1\nname = gateway\nversion = %s\n", version)
	for _, line := range more {
		b = fmt.Appendf(b, "%s\n", line)
	}
	for _, i := range images {
		b = fmt.Appendf(b, "image = %s %d %x", i.Name, len(i.Content), sha256.Sum256(i.Content))
		if i.Gzip {
			b = append(b, " gzip"...)
		}
		b = append(b, '\n')
	}
	return b
}

// Compose makes a package: a manifest, its signature and images.
func Compose(s Signer, version string, images []Image, more ...string) []byte {
	m := Manifest(version, images, more...)
	return Archive(append([]Image{{Name: "manifest", Content: m}, {Name: "manifest.sig", Content: s.Sign(m)}}, images...))
}

// Archive makes a tar archive of files.
func Archive(files []Image) []byte {
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, f := range files {
		content := f.Content
		if f.Gzip {
			var packed bytes.Buffer
			z := gzip.NewWriter(&packed)
			must(z.Write(content))
			must(0, z.Close())
			content = packed.Bytes()
		}
		must(0, w.WriteHeader(&tar.Header{Name: f.Name, Size: int64(len(content)), Mode: 0o644, Format: tar.FormatUSTAR}))
		must(io.Copy(w, bytes.NewReader(content)))
	}
	must(0, w.Close())
	return b.Bytes()
}

// must is for what cannot fail in memory.
func must[N int | int64](_ N, err error) {
	if err != nil {
		panic(err)
	}
}
