// Package grub is the boot loader GRUB to the back end for plain slots: its
// environment block, in the variables of packaging/grub/ab.cfg, which are RAUC's:
//
//	ORDER   slots, the first one that may be booted is: "B A"
//	A_OK    1: slot A may be booted
//	A_TRY   how often it was started since it was last marked good
//
// The block is read and changed by grub-editenv, which knows its format. That
// program truncates the file before it writes it, so it works on a copy, of which
// the bytes that differ are written in place: a cut then leaves the old block or the
// new one, and the file keeps the place on the disk where GRUB writes to it. (GRUB
// does not replay a journal. A file that was replaced just before a cut would be the
// old one to it, and what it writes would go where another file may be by now.)
//
// It knows variables. It must not know packages, devices, nor how an update goes on.
package grub
