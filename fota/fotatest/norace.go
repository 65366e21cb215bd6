//go:build !race

package fotatest

// raced says that the race detector is at work: half of the courses are played then.
const raced = false
