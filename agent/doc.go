// Package agent is the agent as a whole: what is started, how the parts are
// joined, and how it ends. It holds no rule of any part: protocol, hardware,
// configuration and the objects have packages of their own.
package agent
