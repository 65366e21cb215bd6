// Package table is the compact form of the registry's definitions: one string,
// read in place. Definitions that are the same text or the same resource in
// many objects are stored once.
//
// It knows the layout and nothing of where definitions come from. What Open
// accepts is trusted: Check tells whether it deserves that.
//
// The layout, numbers in little-endian order, references as unsigned varints
// counted from the beginning of their region:
//
//	"LWO1", length u32, strings u32, resources u32   header; the last two: where the regions begin
//	count u16                                        of definitions
//	{oid u16, major u8, minor u8, offset u32}...     index, by oid, the newest version first
//	{name ref, flags u8, count, resource ref...}...  definitions
//	{length, bytes}...                               strings, frequent ones first
//	{rid, flags u8, type u8, name ref, [range ref], [unit ref]}...  resources, frequent ones first
package table

const (
	magic      = "LWO1"
	headerSize = 18
	entrySize  = 8
)

// The flags of a definition and of a resource.
const (
	flagMultiple = 1 << iota
	flagMandatory
	flagRange
	flagUnit
	flagOps // the first of three bits
)
