// Package record is the record layer of DTLS 1.2 (RFC 6347, section 4.1) with
// connection IDs (RFC 9146): epoch 0 in plaintext, epoch 1 under one AEAD, and no
// epoch beyond, since nothing renegotiates.
//
// It knows how a record is laid out, sealed, opened and recognised as a repetition;
// neither allocates on the steady path. It must not know handshake messages,
// alerts, sockets, or which side of a connection it serves.
package record
