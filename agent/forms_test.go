package agent

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// filesWith returns the files of a folder in which a key stands in any form. What an agent that runs
// replaces meanwhile may be missing.
func filesWith(t *testing.T, dir string, key []byte) []string {
	t.Helper()
	var found []string
	err := filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err == nil && e.IsDir() {
			return nil
		}
		var content []byte
		if err == nil {
			content, err = os.ReadFile(path)
		}
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		content = bytes.ToLower(content)
		if slices.ContainsFunc(forms(key), func(form []byte) bool { return bytes.Contains(content, form) }) {
			found = append(found, e.Name())
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// forms are the ways in which bytes of a key could stand in a text, all in lower case:
// raw, in hexadecimal, in base64 with any shift, as lists of numbers.
func forms(key []byte) [][]byte {
	spaced, numbers := fmt.Sprintf("% x", key), strings.Trim(fmt.Sprintf("%d", key), "[]")
	raw := [][]byte{
		key, fmt.Appendf(nil, "%x", key), []byte(spaced), []byte(strings.ReplaceAll(spaced, " ", ":")),
		[]byte(numbers), []byte(strings.ReplaceAll(numbers, " ", ",")), fmt.Appendf(nil, "%#v", key)[len("[]byte{"):],
		nil, nil, nil, nil, nil, nil,
	}
	next := len(raw) - 6
	for shift := range 3 { // where the key does not begin a group of three bytes
		inner := key[shift : shift+(len(key)-shift)/3*3]
		raw[next+2*shift], raw[next+2*shift+1] = []byte(base64.StdEncoding.EncodeToString(inner)), []byte(base64.URLEncoding.EncodeToString(inner))
	}
	for i := range raw {
		raw[i] = bytes.ToLower(bytes.TrimRight(raw[i], "}"))
	}
	return raw
}
