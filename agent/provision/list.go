package provision

import (
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"lwm2m-agent/agent/keys"
)

// Entry is one thing that there is.
type Entry struct {
	Place       string `json:"place"`       // a file, "tpm:0x81000001", "credential:NAME"
	What        string `json:"what"`        // "pre-shared key", "private key" …
	Fingerprint string `json:"fingerprint"` // "" if it cannot be told without the TPM
	Detail      string `json:"detail,omitempty"`
	Problem     string `json:"problem,omitempty"`
}

// List tells what a folder, the TPM and the service manager have, by fingerprint. No
// key is in it. A folder that is not there has nothing.
func List(dir string, h *keys.Holder) ([]Entry, error) {
	files, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("list the keys: %w", err)
	}
	var out []Entry
	for _, f := range files {
		if e, ok := entryOf(filepath.Join(dir, f.Name())); ok {
			out = append(out, e)
		}
	}
	out = append(out, inTPM(h)...)
	return append(out, handedOver()...), nil
}

// describers say what a file is, by the end of its name.
var describers = map[string]func(e *Entry, content []byte) error{
	endPSK: func(e *Entry, content []byte) error {
		psk, err := keys.ParsePSK(content)
		defer clear(psk)
		e.What, e.Fingerprint, e.Detail = "pre-shared key", shortPrint(psk), fmt.Sprintf("%d bytes", len(psk))
		return err
	},
	endSealed: func(e *Entry, _ []byte) error {
		e.What, e.Place = "pre-shared key, sealed to the TPM", keys.Place{Kind: keys.Sealed, Name: e.Place}.String()
		return nil
	},
	endPrivate: func(e *Entry, content []byte) error {
		e.What = "private key"
		key, err := keys.ParsePrivateKey(content)
		if err != nil {
			return err
		}
		e.Fingerprint, err = printOf(key.Public())
		return err
	},
	endCertificate: func(e *Entry, content []byte) error {
		e.What = "certificate"
		list, err := parseCertificates(content)
		if err != nil {
			return err
		}
		e.Detail = fmt.Sprintf("%s, until %s", list[0].Subject, list[0].NotAfter.UTC().Format(time.DateOnly))
		e.Fingerprint, err = printOf(list[0].PublicKey)
		return err
	},
}

func printOf(public any) (string, error) {
	der, err := x509.MarshalPKIXPublicKey(public)
	if err != nil {
		return "", err
	}
	return print256(der), nil
}

// entryOf describes a file; ok is false if its name is none of ours.
func entryOf(name string) (e Entry, ok bool) {
	e.Place = name
	for _, end := range slices.Sorted(maps.Keys(describers)) {
		if !strings.HasSuffix(name, end) {
			continue
		}
		content, err := readKey(name)
		if err == nil {
			err = describers[end](&e, content)
		}
		clear(content)
		if err != nil {
			e.Fingerprint, e.Problem = "", err.Error()
		}
		if info, err := os.Stat(name); err == nil && end != endCertificate && info.Mode().Perm()&0o027 != 0 {
			e.Problem = fmt.Sprintf("it is open to more than its owner and a group that reads it; run: chmod g-w,o-rwx %s", name)
		}
		return e, true
	}
	return e, false
}

const maxFile = 64 << 10

func readKey(name string) ([]byte, error) {
	info, err := os.Stat(name)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() || info.Size() > maxFile {
		return nil, errors.New("is no file with a key")
	}
	return os.ReadFile(name)
}

// inTPM lists what the TPM has; nothing if there is none.
func inTPM(h *keys.Holder) []Entry {
	device := h.Device
	if device == "" {
		device = keys.DefaultDevice
	}
	if !exists(device) {
		return nil
	}
	found, err := h.Persistent()
	if err != nil {
		return []Entry{{Place: device, What: "TPM", Problem: err.Error()}}
	}
	var out []Entry
	for _, handle := range slices.Sorted(maps.Keys(found)) {
		e := Entry{Place: keys.Place{Kind: keys.TPM, Handle: handle}.String(), What: "private key in the TPM"}
		if e.Fingerprint, err = printOf(found[handle]); err != nil {
			e.Problem = err.Error()
		}
		out = append(out, e)
	}
	return out
}

// handedOver lists the credentials of the service manager, if it started this program.
func handedOver() []Entry {
	files, err := os.ReadDir(os.Getenv(keys.CredentialsVariable))
	if err != nil {
		return nil
	}
	out := make([]Entry, 0, len(files))
	for _, f := range files {
		out = append(out, Entry{Place: keys.Place{Kind: keys.Credential, Name: f.Name()}.String(), What: "credential"})
	}
	return out
}
