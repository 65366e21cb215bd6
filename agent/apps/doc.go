// Package apps serves the objects of local programs. A program registers
// objects of its own, publishes their values, and is asked before anything is
// written, executed, created or deleted there. When it goes, its objects stay,
// with their last values marked stale, and so they do over a restart of the agent.
//
// It knows the object tree (lwm2m/model), which programs the configuration
// names, and how objects and requests look as JSON where they are kept. It must
// not know HTTP, sockets or users of the operating system: package control
// brings programs here and sees to it that each touches only its own.
package apps
