// Package clock keeps the last time that is known to have passed, over restarts and
// whatever becomes of the machine's own clock, so that certificates can be judged on
// a machine that starts in 1970. It knows what each source of time is worth; it must
// not know how a machine is asked for the time.
//
// Four sources count. What the time is worth that they give:
//
//   - Machine: its clock, while nothing says that it is right. It may be any hour,
//     and is believed when it is later than what is known.
//   - Network, Satellites: a clock that follows a time server, a fix. Believed when
//     later; when earlier, at once if what is known came from the machine, and
//     otherwise when it has said so for a day without a pause: who can forge them
//     for an hour does not bring back a certificate that has expired, and one wrong
//     answer locks nobody out for ever.
//   - Told: somebody who may write /3/0/13 says so. Believed at once, earlier or
//     later.
//
// Nobody is believed who names a time before this program was built, or more than
// fifteen years after: that is a receiver whose week counter has run over (1024
// weeks), or a clock that was never set.
package clock
