// Package lwm2mcbor is the LwM2M CBOR format, application/vnd.oma.lwm2m+cbor,
// content format 11544 (Core 1.2, section 7.4.4).
//
// It knows nodes and shapes. It must not know the object tree or a transport.
//
// A payload is maps inside each other, one for each level of the paths. A key is an
// identifier, or an array of those of several levels:
//
//	{3: {0: {9: 100, 6: {0: 1, 1: 5}}}}
//	{[3, 0]: {9: 100, [6, 0]: 1, [6, 1]: 5}}
//
// An empty map is an instance or a multiple resource with nothing in it. Times and
// gateway prefixes have no place in the format.
package lwm2mcbor

// MaxNodes bounds what Decode reads: a payload of more values and empty maps is
// refused with 4.13.
const MaxNodes = 10_000
