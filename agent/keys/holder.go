package keys

import (
	"crypto"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
)

// DefaultDevice is the TPM of a Linux machine, behind the kernel's resource manager.
const DefaultDevice = "/dev/tpmrm0"

// CredentialsVariable names the folder of credentials (systemd.exec(5)).
const CredentialsVariable = "CREDENTIALS_DIRECTORY"

// Holder uses keys where they are held. The zero value is this machine.
type Holder struct {
	Device      string // of the TPM: a device or a simulator's socket; "": DefaultDevice
	Credentials string // folder; "": that of the environment
}

// maxKeyFile bounds a file with a key, in bytes.
const maxKeyFile = 16 << 10

// Signer returns the private key that is held at a place. It stays there if the place
// is a TPM: each signature opens the TPM anew, and ends within ten seconds.
func (h *Holder) Signer(p Place) (crypto.Signer, error) {
	switch p.Kind {
	case TPM:
		return h.tpmKey(p.Handle)
	case Credential:
		b, err := h.credential(p.Name)
		if err != nil {
			return nil, err
		}
		defer clear(b)
		key, err := ParsePrivateKey(b)
		if err != nil {
			return nil, fmt.Errorf("credential %q: %w", p.Name, err)
		}
		return key, nil
	case Sealed:
	}
	return nil, fmt.Errorf("%s holds no private key; a private key is made inside the TPM: tpm:HANDLE", p)
}

// PSK returns the pre-shared key that is held at a place.
func (h *Holder) PSK(p Place) ([]byte, error) {
	switch p.Kind {
	case Sealed:
		blob, err := readFile(p.Name)
		if err != nil {
			return nil, fmt.Errorf("read the sealed key: %w", err)
		}
		return h.unseal(p.Name, blob)
	case Credential:
		b, err := h.credential(p.Name)
		if err != nil {
			return nil, err
		}
		defer clear(b)
		key, err := ParsePSK(b)
		if err != nil {
			return nil, fmt.Errorf("credential %q: %w", p.Name, err)
		}
		return key, nil
	case TPM:
	}
	return nil, fmt.Errorf("%s holds no pre-shared key; one that is sealed to the TPM is tpm-sealed:FILE", p)
}

// credential reads what the service manager handed over.
func (h *Holder) credential(name string) ([]byte, error) {
	folder := h.Credentials
	if folder == "" {
		folder = os.Getenv(CredentialsVariable)
	}
	if folder == "" {
		return nil, fmt.Errorf("credential %q: the service manager hands over none; add LoadCredential= or LoadCredentialEncrypted= to the unit", name)
	}
	b, err := readFile(filepath.Join(folder, name))
	if err != nil {
		return nil, fmt.Errorf("credential %q: %w; add LoadCredential=%s:FILE or LoadCredentialEncrypted= to the unit", name, reason(err), name)
	}
	return b, nil
}

// readFile reads a file with a key, which may not be long.
func readFile(name string) ([]byte, error) {
	f, err := os.Open(name) //nolint:gosec // the operator names it
	if err != nil {
		return nil, err
	}
	defer f.Close() //nolint:errcheck // only read

	b := make([]byte, maxKeyFile+1) // at once: what grows leaves copies behind
	n, err := io.ReadFull(f, b)
	switch {
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return b[:n], nil
	case err == nil:
		err = fmt.Errorf("%s is longer than a key may be", name)
	}
	clear(b)
	return nil, err
}

// reason is an error without the path, which is told otherwise.
func reason(err error) error {
	if e, ok := errors.AsType[*os.PathError](err); ok {
		return e.Err
	}
	return err
}

func (h *Holder) device() string {
	if h.Device == "" {
		return DefaultDevice
	}
	return h.Device
}
