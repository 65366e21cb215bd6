// Package arch holds the test of the architecture: which package may import which, where a library is at home, and how large files and
// functions may grow. It reads the sources itself and knows nothing of what they do. The tables in rules_test.go are the decisions.
package arch
