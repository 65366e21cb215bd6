// Package transaction puts a configuration in force for a trial, keeps it when the
// servers have been reached with it, and otherwise brings the former one back by itself,
// also after a power cut at any instant.
//
// It knows texts, who wanted them, and time. It must not know what a configuration says,
// what it is put in force by, or how servers are reached: that is handed in.
//
// # What is on disk
//
//	overlay.toml      what is in force: during a trial the new text
//	overlay.journal   in a trial the former text as well; the last results; never a key that is out of use
//
// The journal is replaced first, then the text, then the text is applied. A start that
// finds a trial in the journal takes the former text: nobody has vouched for the new one.
// A trial is over at the instant at which the journal that says so is on disk. What is
// replaced is overwritten, as far as the file system does that in place.
package transaction
