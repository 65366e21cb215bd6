// Package config reads the agent's configuration: agent.toml, agent.d/*.toml,
// the committed overlay of the state directory, and flags, in this order, later
// wins. What comes out is checked, has real types, and knows for every section
// in which file and line it stands.
//
// It knows the text and its rules. It must not know what a driver does with its
// settings, what an object is, or anything of the protocol: which keys a driver
// takes is handed in, and package agent/bind gives the sections to those who
// act on them.
package config
