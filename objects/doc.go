// Package objects holds the LwM2M objects that the agent serves, one file for
// each: Security, Server, Device, Connectivity Monitoring, Firmware Update,
// Location, Connectivity Statistics, the test object, and the smart objects, whose
// behaviour follows from their definition in the registry.
//
// An object owns what the tree (lwm2m/model) holds below its identifier: it
// publishes values there and decides what requests may do. What it needs from
// outside is a small interface or a function declared here.
//
// It knows the object model and the registry's definitions. It knows no server
// connection, no bus, no operating system and no file.
package objects

//go:generate go test -run ^TestDocument$ -update .
