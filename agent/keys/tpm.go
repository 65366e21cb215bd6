//go:build !small

package keys

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"encoding/asn1"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/big"
	"syscall"
	"time"

	"github.com/google/go-tpm/tpm2"
	"github.com/google/go-tpm/tpm2/transport"
)

// How long what is done with a TPM may take: for a handshake, and for provisioning. Slow
// ones sign in less than a second, and need a few to make a primary key.
const (
	useTime  = 10 * time.Second
	makeTime = 60 * time.Second
)

// turn lets one goroutine at a time use the TPM: simulators and old kernels serve one.
var turn = make(chan struct{}, 1)

// withTPM opens the TPM, has it used, and closes it.
func (h *Holder) withTPM(limit time.Duration, use func(transport.TPM) error) error {
	deadline := time.Now().Add(limit)
	wait := time.NewTimer(limit)
	defer wait.Stop()
	select {
	case turn <- struct{}{}:
		defer func() { <-turn }()
	case <-wait.C:
		return errSilent
	}
	d, err := openDevice(h.device(), deadline)
	if err == nil {
		err = errors.Join(use(d), d.Close())
	}
	if err != nil {
		return fmt.Errorf("TPM at %s: %w", h.device(), explain(err))
	}
	return nil
}

// explain says what can be done about an error of a TPM.
func explain(err error) error {
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return errors.New("there is no such device; the kernel needs a driver for the TPM, or the machine has none")
	case errors.Is(err, fs.ErrPermission):
		return errors.New("the agent's user may not open it; add it to the group tss")
	case errors.Is(err, syscall.ECONNREFUSED), errors.Is(err, syscall.EPIPE):
		return errors.New("nothing serves it")
	case errors.Is(err, tpm2.TPMRCHandle), errors.Is(err, tpm2.TPMRCReferenceH0), errors.Is(err, tpm2.TPMRCValue):
		return errors.New("it has no key there; \"lwm2m-agent provision list\" shows those it has")
	case errors.Is(err, tpm2.TPMRCAuthFail), errors.Is(err, tpm2.TPMRCBadAuth):
		return fmt.Errorf("it asks for an authorization, and the agent has none to give: %w", err)
	case errors.Is(err, tpm2.TPMRCIntegrity):
		return errors.New("it was sealed by another TPM, or this one was cleared since; seal the key anew")
	}
	return err
}

// tpmKey is a private key on P-256 that a TPM keeps.
type tpmKey struct {
	holder *Holder
	handle tpm2.TPMHandle
	name   tpm2.TPM2BName
	public *ecdsa.PublicKey
}

var _ crypto.Signer = (*tpmKey)(nil)

func (h *Holder) tpmKey(handle uint32) (crypto.Signer, error) {
	k := &tpmKey{holder: h, handle: tpm2.TPMHandle(handle)}
	err := h.withTPM(useTime, func(d transport.TPM) error { return k.read(d) })
	if err != nil {
		return nil, fmt.Errorf("key %s: %w", Place{Kind: TPM, Handle: handle}, err)
	}
	return k, nil
}

// read asks the TPM for the public half.
func (k *tpmKey) read(d transport.TPM) error {
	r, err := tpm2.ReadPublic{ObjectHandle: k.handle}.Execute(d)
	if err != nil {
		return err
	}
	public, err := r.OutPublic.Contents()
	if err != nil {
		return err
	}
	k.name = r.Name
	if !public.ObjectAttributes.SignEncrypt || public.ObjectAttributes.Restricted {
		return errors.New("what is there is no key to sign with")
	}
	k.public, err = ellipticKey(public)
	return err
}

// ellipticKey returns the public key on P-256 of a TPM's public area.
func ellipticKey(public *tpm2.TPMTPublic) (*ecdsa.PublicKey, error) {
	params, err := public.Parameters.ECCDetail()
	if err != nil || params.CurveID != tpm2.TPMECCNistP256 {
		return nil, errors.New("what is there is no key on P-256")
	}
	point, err := public.Unique.ECC()
	if err != nil {
		return nil, err
	}
	const coordinate = 32
	if len(point.X.Buffer) > coordinate || len(point.Y.Buffer) > coordinate {
		return nil, errMalformed
	}
	uncompressed := make([]byte, 1+2*coordinate)
	uncompressed[0] = 4 // SEC 1, section 2.3.3
	copy(uncompressed[1+coordinate-len(point.X.Buffer):], point.X.Buffer)
	copy(uncompressed[1+2*coordinate-len(point.Y.Buffer):], point.Y.Buffer)
	return ecdsa.ParseUncompressedPublicKey(elliptic.P256(), uncompressed)
}

// Public implements crypto.Signer.
func (k *tpmKey) Public() crypto.PublicKey { return k.public }

// Sign implements crypto.Signer for digests by SHA-256; the TPM has randomness of its
// own.
func (k *tpmKey) Sign(_ io.Reader, digest []byte, opts crypto.SignerOpts) (signature []byte, err error) {
	if opts.HashFunc() != crypto.SHA256 || len(digest) != crypto.SHA256.Size() {
		return nil, errors.New("sign with the TPM: only digests by SHA-256 are signed")
	}
	err = k.holder.withTPM(useTime, func(d transport.TPM) error {
		r, err := tpm2.Sign{
			KeyHandle: tpm2.NamedHandle{Handle: k.handle, Name: k.name},
			Digest:    tpm2.TPM2BDigest{Buffer: digest},
			InScheme: tpm2.TPMTSigScheme{
				Scheme:  tpm2.TPMAlgECDSA,
				Details: tpm2.NewTPMUSigScheme(tpm2.TPMAlgECDSA, &tpm2.TPMSSchemeHash{HashAlg: tpm2.TPMAlgSHA256}),
			},
			Validation: tpm2.TPMTTKHashCheck{Tag: tpm2.TPMSTHashCheck},
		}.Execute(d)
		if err != nil {
			return err
		}
		s, err := r.Signature.Signature.ECDSA()
		if err == nil {
			signature, err = encodeSignature(s.SignatureR.Buffer, s.SignatureS.Buffer)
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("sign with the key %s: %w", Place{Kind: TPM, Handle: uint32(k.handle)}, err)
	}
	return signature, nil
}

// encodeSignature returns an ECDSA-Sig-Value (RFC 3279, section 2.2.3).
func encodeSignature(r, s []byte) ([]byte, error) {
	return asn1.Marshal(struct{ R, S *big.Int }{new(big.Int).SetBytes(r), new(big.Int).SetBytes(s)})
}
