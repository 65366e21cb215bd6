package store

// Checksums of the records. Those of package hash are faster by the byte, but their tables for that take longer to make,
// at every start, than all records take here.

// The polynomials, reversed.
const (
	castagnoli = 0x82f63b78         // CRC-32C (RFC 3720)
	iso        = 0xd800000000000000 // of ISO 3309
)

var (
	table32 = tableOf(uint32(castagnoli))
	table64 = tableOf(uint64(iso))
)

// tableOf returns what each value of a byte does to a remainder.
func tableOf[T uint32 | uint64](polynomial T) (t [256]T) {
	for i := range t {
		r := T(i)
		for range 8 {
			carry := r & 1
			if r >>= 1; carry == 1 {
				r ^= polynomial
			}
		}
		t[i] = r
	}
	return t
}

// sum returns the CRC of several parts, one after the other. Before and after, the remainder is inverted.
func sum[T uint32 | uint64](t *[256]T, parts [][]byte) T {
	r := ^T(0)
	for _, part := range parts {
		for _, b := range part {
			r = t[byte(r)^b] ^ r>>8
		}
	}
	return ^r
}

func sum32(parts ...[]byte) uint32 { return sum(&table32, parts) }

func sum64(parts ...[]byte) uint64 { return sum(&table64, parts) }
