//go:build !small

package keys

import (
	"crypto"
	"crypto/ecdsa"
	"encoding/binary"
	"encoding/pem"
	"errors"
	"fmt"

	"github.com/google/go-tpm/tpm2"
	"github.com/google/go-tpm/tpm2/transport"
)

// storageKey makes the TPM's own key that all others are kept under: the standard one,
// which is the same each time (TCG TPM v2.0 Provisioning Guidance, section 7.5.1).
func storageKey(d transport.TPM) (*tpm2.CreatePrimaryResponse, func() error, error) {
	r, err := tpm2.CreatePrimary{PrimaryHandle: tpm2.TPMRHOwner, InPublic: tpm2.New2B(tpm2.ECCSRKTemplate)}.Execute(d)
	if err != nil {
		return nil, nil, err
	}
	return r, func() error {
		_, err := tpm2.FlushContext{FlushHandle: r.ObjectHandle}.Execute(d)
		return err
	}, nil
}

var signingKey = tpm2.TPMTPublic{
	Type: tpm2.TPMAlgECC, NameAlg: tpm2.TPMAlgSHA256,
	ObjectAttributes: tpm2.TPMAObject{FixedTPM: true, FixedParent: true, SensitiveDataOrigin: true, UserWithAuth: true, NoDA: true, SignEncrypt: true},
	Parameters: tpm2.NewTPMUPublicParms(tpm2.TPMAlgECC, &tpm2.TPMSECCParms{
		Scheme: tpm2.TPMTECCScheme{
			Scheme:  tpm2.TPMAlgECDSA,
			Details: tpm2.NewTPMUAsymScheme(tpm2.TPMAlgECDSA, &tpm2.TPMSSigSchemeECDSA{HashAlg: tpm2.TPMAlgSHA256}),
		},
		CurveID: tpm2.TPMECCNistP256,
	}),
}

// ErrTaken says that there is a key already.
var ErrTaken = errors.New("there is a key already; -replace replaces it, and what it was good for is lost; another handle takes another one")

// Make makes a private key on P-256 inside the TPM, at a persistent handle, that never
// leaves it. One that is there is replaced if force is set; otherwise it is ErrTaken.
func (h *Holder) Make(handle uint32, force bool) (crypto.Signer, error) {
	k := &tpmKey{holder: h, handle: tpm2.TPMHandle(handle)}
	err := h.withTPM(makeTime, func(d transport.TPM) error {
		old, err := tpm2.ReadPublic{ObjectHandle: k.handle}.Execute(d)
		taken := err == nil
		if taken && !force {
			return ErrTaken
		}
		parent, flush, err := storageKey(d)
		if err != nil {
			return err
		}
		persist := func() error {
			loaded, err := create(d, parent, signingKey, nil)
			if err != nil {
				return err
			}
			if taken { // only now: nothing is lost if the TPM cannot make a new one
				if err := evict(d, k.handle, old.Name, k.handle); err != nil {
					return err
				}
			}
			err = evict(d, loaded.ObjectHandle, loaded.Name, k.handle)
			_, flushed := tpm2.FlushContext{FlushHandle: loaded.ObjectHandle}.Execute(d)
			return errors.Join(err, flushed)
		}
		if err := errors.Join(persist(), flush()); err != nil {
			return err
		}
		return k.read(d)
	})
	if err != nil {
		return nil, fmt.Errorf("make the key %s: %w", Place{Kind: TPM, Handle: handle}, err)
	}
	return k, nil
}

// evict makes a loaded key persistent, or a persistent one go.
func evict(d transport.TPM, handle tpm2.TPMHandle, name tpm2.TPM2BName, persistent tpm2.TPMHandle) error {
	_, err := tpm2.EvictControl{
		Auth:             tpm2.TPMRHOwner,
		ObjectHandle:     &tpm2.NamedHandle{Handle: handle, Name: name},
		PersistentHandle: persistent,
	}.Execute(d)
	return err
}

// create makes and loads a key under another, or seals data.
func create(d transport.TPM, parent *tpm2.CreatePrimaryResponse, template tpm2.TPMTPublic, data []byte) (*tpm2.LoadResponse, error) {
	r, err := createBlob(d, parent, template, data)
	if err != nil {
		return nil, err
	}
	return load(d, parent, r.OutPublic, r.OutPrivate)
}

func createBlob(d transport.TPM, parent *tpm2.CreatePrimaryResponse, template tpm2.TPMTPublic, data []byte) (*tpm2.CreateResponse, error) {
	c := tpm2.Create{ParentHandle: under(parent), InPublic: tpm2.New2B(template)}
	if data != nil {
		session, err := encrypted(parent, encryptIn)
		if err != nil {
			return nil, err
		}
		c.ParentHandle = tpm2.AuthHandle{Handle: parent.ObjectHandle, Name: parent.Name, Auth: session}
		c.InSensitive = tpm2.TPM2BSensitiveCreate{Sensitive: &tpm2.TPMSSensitiveCreate{
			Data: tpm2.NewTPMUSensitiveCreate(&tpm2.TPM2BSensitiveData{Buffer: data}),
		}}
	}
	return c.Execute(d)
}

func under(parent *tpm2.CreatePrimaryResponse) tpm2.AuthHandle {
	return tpm2.AuthHandle{Handle: parent.ObjectHandle, Name: parent.Name, Auth: tpm2.PasswordAuth(nil)}
}

func load(d transport.TPM, parent *tpm2.CreatePrimaryResponse, public tpm2.TPM2BPublic, private tpm2.TPM2BPrivate) (*tpm2.LoadResponse, error) {
	return tpm2.Load{ParentHandle: under(parent), InPublic: public, InPrivate: private}.Execute(d)
}

// encrypted returns a session in which the secret of a command or of a response is
// encrypted, against who listens on the wires between processor and TPM.
func encrypted(parent *tpm2.CreatePrimaryResponse, direction tpm2.AuthOption) (tpm2.Session, error) {
	public, err := parent.OutPublic.Contents()
	if err != nil {
		return nil, err
	}
	const nonce = 16
	return tpm2.HMAC(tpm2.TPMAlgSHA256, nonce, tpm2.Salted(parent.ObjectHandle, *public), direction), nil
}

// Either way.
var (
	encryptIn  = tpm2.AESEncryption(128, tpm2.EncryptIn)
	encryptOut = tpm2.AESEncryption(128, tpm2.EncryptOut)
)

var sealedData = tpm2.TPMTPublic{
	Type: tpm2.TPMAlgKeyedHash, NameAlg: tpm2.TPMAlgSHA256,
	ObjectAttributes: tpm2.TPMAObject{FixedTPM: true, FixedParent: true, UserWithAuth: true, NoDA: true},
}

// sealedType is the PEM type of a sealed key: the TPM's public and private area, each
// behind its length (TPM2B_PUBLIC, TPM2B_PRIVATE).
const sealedType = "LWM2M TPM-SEALED KEY"

// Seal encrypts a pre-shared key so that only this TPM can decrypt it, and returns
// what to write to a file.
func (h *Holder) Seal(psk []byte) ([]byte, error) {
	var blob []byte
	err := h.withTPM(makeTime, func(d transport.TPM) error {
		parent, flush, err := storageKey(d)
		if err != nil {
			return err
		}
		r, err := createBlob(d, parent, sealedData, psk)
		if err == nil {
			blob = append(tpm2.Marshal(r.OutPublic), tpm2.Marshal(r.OutPrivate)...)
		}
		return errors.Join(err, flush())
	})
	if err != nil {
		return nil, fmt.Errorf("seal the key: %w", err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: sealedType, Bytes: blob}), nil
}

// unseal returns the pre-shared key that Seal encrypted.
func (h *Holder) unseal(name string, text []byte) (psk []byte, err error) {
	public, private, err := parseSealed(text)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	err = h.withTPM(useTime, func(d transport.TPM) error {
		parent, flush, err := storageKey(d)
		if err != nil {
			return err
		}
		psk, err = unsealUnder(d, parent, public, private)
		return errors.Join(err, flush())
	})
	if err != nil {
		clear(psk)
		return nil, fmt.Errorf("unseal %s: %w", name, err)
	}
	if len(psk) < minPSK || len(psk) > maxPSK {
		clear(psk)
		return nil, fmt.Errorf("unseal %s: what is inside %w", name, ErrPSK)
	}
	return psk, nil
}

func unsealUnder(d transport.TPM, parent *tpm2.CreatePrimaryResponse, public, private []byte) ([]byte, error) {
	loaded, err := load(d, parent, tpm2.BytesAs2B[tpm2.TPMTPublic](public), tpm2.TPM2BPrivate{Buffer: private})
	if err != nil {
		return nil, err
	}
	defer func() { _, _ = tpm2.FlushContext{FlushHandle: loaded.ObjectHandle}.Execute(d) }() // the resource manager does it otherwise
	session, err := encrypted(parent, encryptOut)
	if err != nil {
		return nil, err
	}
	r, err := tpm2.Unseal{ItemHandle: tpm2.AuthHandle{Handle: loaded.ObjectHandle, Name: loaded.Name, Auth: session}}.Execute(d)
	if err != nil {
		return nil, err
	}
	return r.OutData.Buffer, nil
}

var errSealed = errors.New("is not a sealed key as \"lwm2m-agent provision psk -seal\" writes it")

// parseSealed takes a sealed key apart; what the parts hold is for the TPM to judge.
func parseSealed(text []byte) (public, private []byte, err error) {
	block, _ := pem.Decode(text)
	if block == nil || block.Type != sealedType {
		return nil, nil, errSealed
	}
	rest := block.Bytes
	for _, part := range []*[]byte{&public, &private} {
		if len(rest) < 2 || len(rest)-2 < int(binary.BigEndian.Uint16(rest)) {
			return nil, nil, errSealed
		}
		n := 2 + int(binary.BigEndian.Uint16(rest))
		*part, rest = rest[2:n:n], rest[n:]
	}
	if len(rest) > 0 || len(public) == 0 || len(private) == 0 {
		return nil, nil, errSealed
	}
	return public, private, nil
}

// Persistent lists the keys to sign with that a TPM keeps, by handle.
func (h *Holder) Persistent() (map[uint32]*ecdsa.PublicKey, error) {
	found := make(map[uint32]*ecdsa.PublicKey)
	err := h.withTPM(makeTime, func(d transport.TPM) error {
		const most = 64 // more than a TPM has room for
		r, err := tpm2.GetCapability{Capability: tpm2.TPMCapHandles, Property: firstHandle, PropertyCount: most}.Execute(d)
		if err != nil {
			return err
		}
		handles, err := r.CapabilityData.Data.Handles()
		if err != nil {
			return err
		}
		for _, handle := range handles.Handle {
			k := &tpmKey{holder: h, handle: handle}
			if k.read(d) == nil && uint32(handle) <= lastHandle {
				found[uint32(handle)] = k.public
			}
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("list the keys of the TPM: %w", err)
	}
	return found, nil
}
