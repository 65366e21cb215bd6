package agent

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"strings"
)

// forms are the ways in which bytes of a key could stand in a text, all in lower case:
// raw, in hexadecimal, in base64 with any shift, as lists of numbers.
func forms(key []byte) [][]byte {
	raw := [][]byte{
		key, []byte(hex.EncodeToString(key)), bytes.ReplaceAll(fmt.Appendf(nil, "% x", key), []byte(" "), []byte(":")), fmt.Appendf(nil, "% x", key),
		[]byte(strings.Trim(fmt.Sprint(key), "[]")), []byte(strings.ReplaceAll(strings.Trim(fmt.Sprint(key), "[]"), " ", ",")), fmt.Appendf(nil, "%#v", key)[len("[]byte{"):],
	}
	for shift := range 3 { // where the key does not begin a group of three bytes
		inner := key[shift : shift+(len(key)-shift)/3*3]
		raw = append(raw, []byte(base64.StdEncoding.EncodeToString(inner)), []byte(base64.URLEncoding.EncodeToString(inner)))
	}
	for i := range raw {
		raw[i] = bytes.ToLower(bytes.TrimRight(raw[i], "}"))
	}
	return raw
}
