// Package trace makes the messages between the agent and its servers readable, as
// they are before encryption and after decryption, for whoever looks: in words,
// and as a capture file that Wireshark opens.
//
// It knows messages, formats and definitions. What nobody may read from the object
// tree leaves it in no form: keys, passwords and what only servers may write. It
// must not know who asks, nor how a connection is secured.
package trace
