// Package bare runs commands where a newcomer does: in a bare Debian with nothing installed, on a copy of this repository. It knows how to
// make such a system and nothing of the commands.
//
// Its tests run with the build tags bare and soak, for which ./dev installs mmdebstrap. They need root, or sudo.
package bare
