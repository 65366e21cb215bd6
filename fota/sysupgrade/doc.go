// Package sysupgrade has OpenWrt replace its own system: one slot, and no way back.
//
// It knows sysupgrade, fwtool and what they say. It must not know who brought the
// image.
//
// # One slot as two
//
// The running system is a slot, "system 3", and what an image would become is the
// next one, "system 4". Install has sysupgrade test the image and notes that it
// waits; Activate has it written, which ends the running system in the middle of
// the call. Which of the two runs after that follows from a marker: a file outside
// of what sysupgrade keeps. It is there as long as the system is that of before, and
// gone with it.
//
// A system that does not pass its trial cannot be left. Activate of the one before
// gives that up: what runs takes its name, so that the update ends as one that
// failed, on the system that runs.
//
// # Trust
//
// sysupgrade verifies the image's signature (ucert) and that it is made for the
// board (fwtool's metadata). It is told to require both, which by itself it does
// not.
package sysupgrade
