// Package leshan brings Eclipse Leshan into tests: the newest server library under a small Java program of our own, the 2.0.0-M4 demo
// server, and Leshan's Java client. It fetches them by Maven, compiles, starts and rules them. It knows Leshan and nothing of the agent.
//
// Tests that use it run with the build tag interop, for which ./dev test installs Java and Maven.
package leshan
