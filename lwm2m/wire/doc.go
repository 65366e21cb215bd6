// Package wire turns payloads into nodes and nodes into payloads, for every
// content format of LwM2M (Core, section 7.5). It picks the format; the formats
// themselves are in the packages below it.
//
// It knows bytes and package lwm2m. It must not know the object tree, a
// transport, a file or a log, and it keeps no state. What a resource's bytes mean
// it is told through lwm2m.Shapes.
//
// # Bounds
//
// A decoder does work in proportion to the length of its input, at most, and
// refuses more than 10,000 nodes. The length itself is bounded by the caller
// (4.13 is the message layer's to say).
package wire
