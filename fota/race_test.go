//go:build race

package fota

// raced says that the race detector is at work, which makes everything many times slower.
const raced = true
