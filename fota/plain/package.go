package plain

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"hash"
	"io"
	"slices"

	"lwm2m-agent/fota"
	"lwm2m-agent/fota/signify"
)

const (
	manifestFile  = "manifest"
	signatureFile = "manifest.sig"
	maxSignature  = 4096 // bytes
)

// Trust are the rules that a package must meet.
type Trust struct {
	Keys       []signify.Key
	Compatible string // what this board is called
	Running    string // version of the system that runs; "": unknown
	Downgrade  bool   // a lower version than Running is taken
}

// Package is a package whose manifest is trusted. Its images are read in order.
type Package struct {
	Manifest
	Digest string // SHA-256 of the manifest, in hexadecimal: names all that is in the package

	archive *tar.Reader
	next    int
	rest    *content // of the image that is being read
}

// Open reads a package up to its first image. The error is a Failure:
// UnsupportedPackage if it is none, is for another board or is a downgrade;
// IntegrityFailure if it is damaged or not signed by a trusted key.
func (t *Trust) Open(ctx context.Context, r io.Reader) (*Package, error) {
	p := &Package{archive: tar.NewReader(until{ctx, r})}
	text, err := p.small(manifestFile, maxManifest)
	if err != nil {
		return nil, err
	}
	signature, err := p.small(signatureFile, maxSignature)
	if err != nil {
		return nil, err
	}
	if _, err := signify.Verify(t.Keys, text, signature); err != nil {
		return nil, fota.Failf(fota.IntegrityFailure, "the package is %v", err)
	}
	m, err := ParseManifest(text)
	if err != nil {
		return nil, err
	}
	p.Manifest = *m
	sum := sha256.Sum256(text)
	p.Digest = hex.EncodeToString(sum[:])
	return p, t.judge(m)
}

// judge applies what is ruled about boards and versions.
func (t *Trust) judge(m *Manifest) error {
	if !slices.Contains(m.Compatible, t.Compatible) {
		return fota.Failf(fota.UnsupportedPackage, "the package is for %.200q, this board is %.60q", m.Compatible, t.Compatible)
	}
	if !t.Downgrade && t.Running != "" && Compare(m.Version, t.Running) < 0 {
		return fota.Failf(fota.UnsupportedPackage, "the package has version %.60q, which is lower than the running %.60q; allow_downgrade would take it", m.Version, t.Running)
	}
	return nil
}

// small reads a member that is held in memory.
func (p *Package) small(name string, limit int64) ([]byte, error) {
	head, err := p.archive.Next()
	if err != nil || head.Typeflag != tar.TypeReg || head.Name != name || head.Size > limit {
		if err = interrupted(err); err != nil {
			return nil, err
		}
		return nil, fota.Failf(fota.UnsupportedPackage, "this is no package of images: it has no %s of at most %d bytes in its place", name, limit)
	}
	var b bytes.Buffer
	if _, err := io.Copy(&b, p.archive); err != nil {
		return nil, damaged(err)
	}
	return b.Bytes(), nil
}

// Next returns the next image, unpacked, or io.EOF behind the last one. Its reader
// gives no more than the image's size, and at its end an error unless the hash is
// right.
func (p *Package) Next() (Image, io.Reader, error) {
	if p.rest != nil && !p.rest.whole {
		if _, err := io.Copy(io.Discard, p.rest); err != nil {
			return Image{}, nil, err
		}
	}
	if p.rest = nil; p.next == len(p.Images) {
		return Image{}, nil, io.EOF
	}
	i := p.Images[p.next]
	p.next++
	head, err := p.archive.Next()
	if err != nil {
		return Image{}, nil, damaged(err)
	}
	if head.Typeflag != tar.TypeReg || head.Name != i.Name {
		return Image{}, nil, fota.Failf(fota.IntegrityFailure, "the package has %.60q where the image %q has to be", head.Name, i.Name)
	}
	p.rest = &content{image: i, from: p.archive, sum: sha256.New(), left: i.Size}
	if i.Gzip {
		if p.rest.from, err = gzip.NewReader(p.archive); err != nil {
			return Image{}, nil, damaged(err)
		}
	}
	return i, p.rest, nil
}

// content is an image that is read.
type content struct {
	image Image
	from  io.Reader
	sum   hash.Hash
	left  int64
	whole bool
}

func (c *content) Read(b []byte) (int, error) {
	if c.whole {
		return 0, io.EOF
	}
	if c.left == 0 {
		return 0, c.end()
	}
	n, err := c.from.Read(b[:min(int64(len(b)), c.left)])
	c.left -= int64(n)
	_, _ = c.sum.Write(b[:n]) // never fails
	if n > 0 || err == nil {
		return n, nil // an error comes again, and with it what it means
	}
	if errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	return 0, damaged(err)
}

// end looks whether the image is what the manifest says.
func (c *content) end() error {
	var more [1]byte
	if n, err := io.ReadFull(c.from, more[:]); n > 0 || !errors.Is(err, io.EOF) {
		if n > 0 {
			err = errors.New("it is longer than the manifest says")
		}
		return damaged(err)
	}
	if got := hex.EncodeToString(c.sum.Sum(nil)); got != c.image.Sum {
		return fota.Failf(fota.IntegrityFailure, "the image %s has SHA-256 %.12s, the manifest says %.12s", c.image.Name, got, c.image.Sum)
	}
	c.whole = true
	return io.EOF
}

// damaged makes a Failure of an error of reading what is behind a good manifest.
func damaged(err error) error {
	if interruption := interrupted(err); interruption != nil {
		return interruption
	}
	return fota.Failf(fota.IntegrityFailure, "the package is damaged: %v", err)
}

// interrupted returns an error that says nothing of the package.
func interrupted(err error) error {
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	if f, ok := errors.AsType[*fota.Failure](err); ok {
		return f
	}
	return nil
}

// until reads until a context ends.
type until struct {
	ctx context.Context //nolint:containedctx // of the call that it is made for
	r   io.Reader
}

func (u until) Read(p []byte) (int, error) {
	if err := u.ctx.Err(); err != nil {
		return 0, err
	}
	return u.r.Read(p)
}
