// Package provision makes, imports and lists the keys of a device on its factory line,
// in files or in a TPM, and writes the part of the configuration that uses them. It
// knows what servers and authorities need to be given of a key; it must not know how
// a key is used, or how a person or a machine says what is wanted.
package provision
