package modem

import "time"

// Message is a short message (SMS) that has come. Who sent it and what it says is never
// logged.
type Message struct {
	Time time.Time // at which the network's centre took it
	From string    // the sender's number: "+4915112345678"; "" if it is none
	Data []byte    // of a binary one; nil: a text, which is not read
	Old  bool      // it was there before anybody could hear of it, and may have been handed on in an earlier life
}
