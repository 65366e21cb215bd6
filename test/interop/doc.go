// Package interop tests the agent, as a process, against other people's servers.
// It knows the agent's command line and configuration, and nothing of what is
// inside.
package interop
