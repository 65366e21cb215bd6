// Package sms reads short messages as modems hand them over, and joins those that came
// in parts (3GPP TS 23.040; the alphabets of TS 23.038).
//
// Only the content of binary messages is read: nothing here needs a text. It must not know
// LwM2M, nor how a modem is spoken to.
package sms
