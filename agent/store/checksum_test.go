package store

import (
	"bytes"
	"hash/crc32"
	"hash/crc64"
	"testing"
)

func TestChecksums(t *testing.T) {
	text := bytes.Repeat([]byte("a record of any length \x00\xff"), 40)
	castagnoli, iso := crc32.MakeTable(crc32.Castagnoli), crc64.MakeTable(crc64.ISO)
	for n := range text {
		content := text[:n]
		first, second := content[:n/3], content[n/3:]
		if got, want := sum32(first, second), crc32.Checksum(content, castagnoli); got != want {
			t.Fatalf("CRC-32C of %d bytes: %#x, want %#x", n, got, want)
		}
		if got, want := sum64(first, second), crc64.Checksum(content, iso); got != want {
			t.Fatalf("CRC-64 of %d bytes: %#x, want %#x", n, got, want)
		}
	}
}
