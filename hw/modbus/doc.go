// Package modbus asks Modbus devices over serial lines (RTU) and TCP: MODBUS
// Application Protocol Specification V1.1b3, MODBUS over Serial Line V1.02,
// MODBUS Messaging on TCP/IP V1.0b. It knows frames and registers, and nothing of
// what they mean; what comes in is bounded by what was asked for.
package modbus
