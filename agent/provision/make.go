package provision

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"lwm2m-agent/agent/keys"
)

// Credential is what was made or imported, without any secret but one that was asked
// for: what the other side needs, and what the configuration says.
type Credential struct {
	Kind        Kind     `json:"kind"`
	Key         string   `json:"key"` // where it is held, as key_file or private_key_file says it
	Identity    string   `json:"identity,omitempty"`
	PublicKey   string   `json:"public_key,omitempty"`  // SubjectPublicKeyInfo in hexadecimal
	PublicPEM   string   `json:"public_pem,omitempty"`  // the same in PEM
	Request     string   `json:"request,omitempty"`     // PKCS #10 in PEM
	Certificate string   `json:"certificate,omitempty"` // the file
	Fingerprint string   `json:"fingerprint"`
	Files       []string `json:"files,omitempty"`  // that were written
	Secret      string   `json:"secret,omitempty"` // PSK in hexadecimal, if it was asked for
}

// Maker makes and imports keys.
type Maker struct {
	Dir    string // of the files with keys
	Holder keys.Holder

	// Names are what this machine can be called by: "serial", "mac", "machine-id", as far as it has
	// them, and "endpoint", what the agent calls it unless it is told.
	Names map[string]string

	made []string     // files, to be taken back if the rest fails
	step func() error // see next
}

// The ends of the names of files.
const (
	endPSK         = ".psk"
	endSealed      = ".sealed"
	endPrivate     = ".key.pem"
	endPublic      = ".pub.pem"
	endRequest     = ".csr.pem"
	endCertificate = ".crt.pem"
)

func (m *Maker) file(o *Order, end string) string { return filepath.Join(m.Dir, o.Name+end) }

func (m *Maker) write(c *Credential, name string, content []byte, public, force bool) error {
	if err := m.folder(filepath.Dir(name)); err != nil {
		return err
	}
	mode := os.FileMode(publicMode)
	if !public {
		mode = secretModeIn(filepath.Dir(name))
	}
	fresh := !exists(name)
	if err := m.save(name, content, mode, force); err != nil {
		return err
	}
	if fresh {
		m.made = append(m.made, name)
	}
	c.Files = append(c.Files, name)
	return nil
}

// folder makes a folder: the one with keys is for their owner alone.
func (m *Maker) folder(dir string) error {
	mode := os.FileMode(0o755)
	if dir == filepath.Clean(m.Dir) {
		mode = 0o700
	}
	if err := m.next(); err != nil {
		return err
	}
	err := os.MkdirAll(dir, mode)
	if errors.Is(err, fs.ErrPermission) {
		return fmt.Errorf("%w: run it as root, or as who owns the folder above", err)
	}
	return err
}

// TakeBack removes the files that were made, but for those that replaced others.
func (m *Maker) TakeBack() error {
	problems := make([]error, 0, len(m.made))
	for _, name := range m.made {
		problems = append(problems, m.erase(name))
	}
	m.made = nil
	return errors.Join(problems...)
}

// Make does what an order says. The error wraps ErrOrder, ErrThere or keys.ErrTaken
// where that is the cause, and holds no key. What the power cut in a former run left half written is
// erased.
func (m *Maker) Make(o *Order) (*Credential, error) {
	if err := o.Validate(); err != nil {
		return nil, err
	}
	release, err := m.lock()
	if err != nil {
		return nil, err
	}
	defer release()
	if err := m.eraseTorn(m.Dir); err != nil {
		return nil, fmt.Errorf("clean up after a run that was cut: %w", err)
	}
	return m.make(o)
}

// make is Make in a folder that is locked and tidy.
func (m *Maker) make(o *Order) (*Credential, error) {
	if err := o.Validate(); err != nil {
		return nil, err
	}
	c, err := m.carryOut(o)
	if errors.Is(err, ErrThere) {
		err = fmt.Errorf("%w; -name NAME puts another one beside it", err)
	}
	return c, err
}

func (m *Maker) carryOut(o *Order) (*Credential, error) {
	switch {
	case o.Kind == PSK:
		return m.preShared(o)
	case o.Certificate != nil:
		return m.certificate(o)
	}
	return m.keyPair(o)
}

func (m *Maker) preShared(o *Order) (*Credential, error) {
	psk := make([]byte, DefaultSize)
	if o.Size != 0 {
		psk = make([]byte, o.Size)
	}
	_, _ = rand.Read(psk) // never fails
	if o.Secret != nil {
		var err error
		if psk, err = keys.ParsePSK(o.Secret); err != nil {
			return nil, fmt.Errorf("what is to be imported %w", err)
		}
	}
	defer clear(psk)
	c := &Credential{Kind: PSK, Identity: o.Identity, Fingerprint: shortPrint(psk)}
	if o.Reveal {
		c.Secret = hex.EncodeToString(psk)
	}
	if !o.Seal {
		name := m.file(o, endPSK)
		c.Key = name
		text := append(hex.AppendEncode(make([]byte, 0, hex.EncodedLen(len(psk))+1), psk), '\n')
		defer clear(text)
		return c, m.write(c, name, text, false, o.Force)
	}
	name := m.file(o, endSealed)
	if exists(name) && !o.Force {
		return nil, fmt.Errorf("%s %w", name, ErrThere)
	}
	blob, err := m.Holder.Seal(psk)
	if err != nil {
		return nil, err
	}
	c.Key = keys.Place{Kind: keys.Sealed, Name: name}.String()
	return c, m.write(c, name, blob, false, o.Force)
}

func (m *Maker) keyPair(o *Order) (*Credential, error) {
	c := &Credential{Kind: o.Kind}
	signer, keep, err := m.signer(c, o)
	if err != nil {
		return nil, err
	}
	if err := c.describe(signer.Public()); err != nil {
		return nil, err
	}
	if o.Kind == RPK {
		if err := m.write(c, m.file(o, endPublic), []byte(c.PublicPEM), true, true); err != nil {
			return nil, err
		}
		return c, keep()
	}
	request, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{
		Subject: pkix.Name{CommonName: o.Endpoint}, SignatureAlgorithm: x509.ECDSAWithSHA256,
	}, signer)
	if err != nil {
		return nil, fmt.Errorf("make the request for a certificate: %w", err)
	}
	c.Request = string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: request}))
	if err := m.write(c, m.file(o, endRequest), []byte(c.Request), true, true); err != nil {
		return nil, err
	}
	return c, keep()
}

// signer makes or imports a private key. keep writes its file, which comes last: once the key is there, so is
// what belongs to it, and a run that the power cut before can be repeated as it was.
func (m *Maker) signer(c *Credential, o *Order) (signer crypto.Signer, keep func() error, err error) {
	if o.Handle != 0 {
		c.Key = keys.Place{Kind: keys.TPM, Handle: o.Handle}.String()
		signer, err = m.Holder.Make(o.Handle, o.Force)
		return signer, kept, err
	}
	c.Key = m.file(o, endPrivate)
	if exists(c.Key) && !o.Force { // before what belongs to that one is touched
		return nil, nil, fmt.Errorf("%s %w", c.Key, ErrThere)
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if o.Secret != nil {
		if key, err = keys.ParsePrivateKey(o.Secret); err != nil {
			return nil, nil, fmt.Errorf("what is to be imported %w", err)
		}
	}
	if err != nil {
		return nil, nil, fmt.Errorf("make a key: %w", err)
	}
	return key, func() error {
		der, err := x509.MarshalPKCS8PrivateKey(key)
		if err != nil {
			return fmt.Errorf("encode the key: %w", err)
		}
		defer clear(der)
		text := pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})
		defer clear(text)
		return m.write(c, c.Key, text, false, o.Force)
	}, nil
}

// kept is for a private key that is where it belongs.
func kept() error { return nil }

// present returns a private key that was made before, or is imported with its certificate: then keep
// writes its file.
func (m *Maker) present(c *Credential, o *Order) (signer crypto.Signer, keep func() error, err error) {
	if o.Handle != 0 {
		place := keys.Place{Kind: keys.TPM, Handle: o.Handle}
		c.Key = place.String()
		signer, err = m.Holder.Signer(place)
		return signer, kept, err
	}
	c.Key = m.file(o, endPrivate)
	if o.held != "" {
		c.Key = o.held
	}
	content := o.Secret
	if content != nil {
		return m.signer(c, o)
	}
	if content, err = os.ReadFile(c.Key); err != nil {
		return nil, nil, fmt.Errorf("the certificate is for a key that is not there; make it first, by a request: %w", err)
	}
	defer clear(content)
	key, err := keys.ParsePrivateKey(content)
	if err != nil {
		return nil, nil, fmt.Errorf("%s %w", c.Key, err)
	}
	return key, kept, nil
}

// certificate imports a certificate for a key.
func (m *Maker) certificate(o *Order) (*Credential, error) {
	list, err := parseCertificates(o.Certificate)
	if err != nil {
		return nil, err
	}
	c := &Credential{Kind: X509}
	signer, keep, err := m.present(c, o)
	if err != nil {
		return nil, err
	}
	public, ok := signer.Public().(*ecdsa.PublicKey)
	if !ok || !public.Equal(list[0].PublicKey) {
		return nil, o.refuse("the first certificate is for another key than %s; the device's own comes first, then those above it", c.Key)
	}
	if err := c.describe(public); err != nil {
		return nil, err
	}
	var text []byte
	for _, certificate := range list {
		text = append(text, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: certificate.Raw})...)
	}
	c.Certificate = m.file(o, endCertificate)
	there, _ := os.ReadFile(c.Certificate) // as a run left it that the power cut before the key
	if err := m.write(c, c.Certificate, text, true, o.Force || bytes.Equal(there, text)); err != nil {
		return nil, err
	}
	return c, keep()
}

var errCertificate = errors.New("what is to be imported is no certificate in PEM or DER")

func parseCertificates(b []byte) ([]*x509.Certificate, error) {
	der := b
	if block, _ := pem.Decode(b); block != nil {
		der = nil
	}
	for block, rest := pem.Decode(b); block != nil; block, rest = pem.Decode(rest) {
		if block.Type == "CERTIFICATE" {
			der = append(der, block.Bytes...)
		}
	}
	list, err := x509.ParseCertificates(der)
	if err != nil || len(list) == 0 {
		return nil, errCertificate
	}
	return list, nil
}

// describe fills in what is public about a key.
func (c *Credential) describe(public crypto.PublicKey) error {
	der, err := x509.MarshalPKIXPublicKey(public)
	if err != nil {
		return fmt.Errorf("encode the public key: %w", err)
	}
	c.PublicKey = hex.EncodeToString(der)
	c.PublicPEM = string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))
	c.Fingerprint = print256(der)
	return nil
}

// print256 is the fingerprint of a public key's SubjectPublicKeyInfo.
func print256(der []byte) string {
	sum := sha256.Sum256(der)
	return "sha256:" + hex.EncodeToString(sum[:])
}

// shortPrint is the fingerprint of a pre-shared key: enough to tell two apart, too
// little to find out one.
func shortPrint(psk []byte) string {
	h := sha256.New()
	h.Write([]byte("lwm2m-agent psk "))
	h.Write(psk)
	return "psk:" + hex.EncodeToString(h.Sum(nil)[:4])
}
