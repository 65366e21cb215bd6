// Package install tries the packages as an administrator has them: on a Debian whose
// process 1 is systemd. It knows how packages are made (./dev package) and what is in
// them, and nothing of what is inside the program.
package install
