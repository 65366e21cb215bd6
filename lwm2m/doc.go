// Package lwm2m is the vocabulary of OMA LightweightM2M: paths, values, nodes,
// content formats, versions and response codes. Everything else in the module
// speaks in these terms.
//
// It knows no I/O, no log, no wire format and no object.
//
// "Core" in the comments is OMA-TS-LightweightM2M_Core-V1_2_2, "Transport" is
// OMA-TS-LightweightM2M_Transport-V1_2_2.
package lwm2m
