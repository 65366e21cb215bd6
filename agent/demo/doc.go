// Package demo holds what only the demo has: the simulated board, the simulated
// operating system, the page's operators and the decoder of its message panel.
//
// It knows the page, the small server and the object tree. It must not know how
// the demo is started; package agent composes it.
package demo
