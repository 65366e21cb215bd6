//go:build small

package keys

import (
	"crypto"
	"crypto/ecdsa"
	"errors"
)

// ErrTaken says that there is a key already.
var ErrTaken = errors.New("there is a key already; -replace replaces it, and what it was good for is lost; another handle takes another one")

var errNoTPM = errors.New("this binary was built without TPM (tag small); take the other one, or hold the key in a file or a credential")

func (h *Holder) tpmKey(uint32) (crypto.Signer, error) { return nil, errNoTPM }

func (h *Holder) unseal(string, []byte) ([]byte, error) { return nil, errNoTPM }

// Make fails: there is no TPM.
func (h *Holder) Make(uint32, bool) (crypto.Signer, error) { return nil, errNoTPM }

// Seal fails: there is no TPM.
func (h *Holder) Seal([]byte) ([]byte, error) { return nil, errNoTPM }

// Persistent fails: there is no TPM.
func (h *Holder) Persistent() (map[uint32]*ecdsa.PublicKey, error) { return nil, errNoTPM }
