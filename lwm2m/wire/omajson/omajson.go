// Package omajson is the JSON format of LwM2M 1.0, application/vnd.oma.lwm2m+json,
// content format 11543 (Core 1.0, section 6.4.4).
//
// It knows nodes and shapes. It must not know the object tree or a transport.
//
// A payload is one object: a base name, a base time if times are told, and a list
// of entries with a name, a time and a value each.
//
//	{"bn":"/3/0/","e":[{"n":"9","v":100},{"n":"6/0","v":1},{"n":"14","sv":"+02:00"}]}
//
// The value is "v" for Integer, Unsigned Integer, Float and Time, "bv" for Boolean,
// "ov" for Objlnk, and "sv" for String, Corelnk and, in Base64, Opaque. There is no
// way to say an instance or a multiple resource with nothing in it.
//
// # Names
//
// A name is a path below the base name, with one slash between them whether the base
// name ends in one or not. Without a name the value is that of the base name itself.
// A name that begins with a slash is absolute. Without a base name, names are below
// the path of the operation.
//
// # Times
//
// A node's Time is written as an absolute time, to the millisecond; one before
// 1978-07-04, which would be read as a relative one, is left out, as is one after
// 9999. A relative time is read as that many seconds from 1970-01-01: see
// wire.ResolveTimes.
package omajson

// MaxEntries bounds what Decode reads: a payload of more is refused with 4.13.
const MaxEntries = 10_000
