package provision

import (
	"errors"
	"fmt"
	"strings"

	"lwm2m-agent/agent/keys"
)

// Kind is the kind of a credential, as the configuration names it.
type Kind string

// The kinds.
const (
	PSK  Kind = "psk"
	RPK  Kind = "rpk"
	X509 Kind = "x509"
)

// The sizes of a pre-shared key that is made, in bytes.
const (
	DefaultSize = 16 // what the mandatory cipher suites encrypt with
	minSize     = 16
	maxSize     = 64
)

// Order says what is wanted.
type Order struct {
	Kind     Kind
	Name     string // of the files: letters, digits, ".", "-", "_"
	Endpoint string // X509: the name in the request for a certificate
	Identity string // PSK: what the server knows the key by

	Secret []byte // to be imported: hexadecimal (PSK), PEM or DER; nil: a new one is made
	Size   int    // PSK: bytes of a new one; 0: DefaultSize
	Seal   bool   // PSK: to the TPM
	Reveal bool   // PSK: tell it, for the server
	Handle uint32 // RPK, X509: make it in the TPM; 0: a file

	// Certificate is the answer to an earlier request, PEM or DER, with those above it
	// behind it. The key is not made then: it must be there.
	Certificate []byte

	Force bool // replace what is there

	held string // file of the private key that a certificate is for; "": the one of this name
}

// ErrOrder says that an order contradicts itself.
var ErrOrder = errors.New("cannot be done")

func (o *Order) refuse(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrOrder, fmt.Sprintf(format, args...))
}

// Validate tells what is wrong with an order.
func (o *Order) Validate() error {
	if err := o.shape(); err != nil {
		return err
	}
	switch {
	case o.Kind != PSK && (o.Seal || o.Reveal || o.Size != 0 || o.Identity != ""):
		return o.refuse("only a pre-shared key has a size or an identity, is sealed, or told")
	case o.Kind == PSK && o.Handle != 0:
		return o.refuse("a pre-shared key is not made in the TPM, but sealed to it")
	case o.Handle != 0 && o.Secret != nil:
		return o.refuse("a key that was outside cannot become the TPM's own; leave the file out, and it makes one")
	case o.Size != 0 && o.Secret != nil:
		return o.refuse("a key that is imported has its size")
	case o.Size != 0 && (o.Size < minSize || o.Size > maxSize):
		return o.refuse("a new pre-shared key has %d to %d bytes", minSize, maxSize)
	case o.Certificate != nil && o.Kind != X509:
		return o.refuse("only x509 takes a certificate")
	case o.Kind == X509 && o.Certificate == nil && o.Endpoint == "":
		return o.refuse("a request for a certificate needs the endpoint name")
	case o.Handle != 0 && !isHandle(o.Handle):
		return o.refuse("%#x is no persistent handle of the TPM's owner; allowed: 0x81000000 to 0x817fffff", o.Handle)
	}
	return nil
}

// shape checks what every order has.
func (o *Order) shape() error {
	switch {
	case o.Kind != PSK && o.Kind != RPK && o.Kind != X509:
		return o.refuse("there is no kind %q; allowed: psk, rpk, x509", o.Kind)
	case o.Name == "" || len(o.Name) > 64 || strings.HasPrefix(o.Name, ".") || strings.Trim(o.Name, nameLetters) != "":
		return o.refuse("the name %.80q is not one of up to 64 letters, digits, \".\", \"-\" and \"_\"", o.Name)
	}
	return nil
}

const nameLetters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-"

func isHandle(handle uint32) bool {
	_, err := keys.ParsePlace(keys.Place{Kind: keys.TPM, Handle: handle}.String())
	return err == nil
}
