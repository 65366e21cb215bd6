package modem

import (
	"errors"
	"fmt"
	"time"
)

// Sleep is how a modem saves power.
type Sleep struct {
	PSM     PSM // as asked for
	Granted PSM // as the network has granted it; zero if it has not, or nobody told
	EDRX    []EDRX

	// Supported modes, as far as the modem has said.
	HasPSM, HasEDRX bool
}

// Release is whether a modem can be told that nothing more is to be exchanged for now, so that
// the network need not keep the connection of the radio until its own timer ends.
type Release uint8

// The values.
const (
	ReleaseUnknown Release = iota // nobody has asked
	ReleaseOffered                // it can
	ReleaseInDoubt                // it does not say that it can, and has not been told yet
	ReleaseRefused                // it has refused
)

// ErrNoRelease says that there is nothing to release: the modem sleeps, is not registered or
// cannot be told, or something is under way again.
var ErrNoRelease = errors.New("there is no connection of the radio to release")

// PSM is the power saving mode (3GPP TS 23.682, clause 4.5.4).
type PSM struct {
	On       bool
	Periodic time.Duration // T3412 extended: the longest time between two updates of the tracking area
	Active   time.Duration // T3324: how long the modem can be reached after it was active
}

// EDRXMode is the kind of cell that extended discontinuous reception is for: the
// AcT-type of 3GPP TS 27.007, clause 7.40.
type EDRXMode uint8

// The modes.
const (
	ECGSM EDRXMode = iota + 1 // A/Gb, EC-GSM-IoT
	AGb                       // A/Gb, GSM
	Iu                        // UTRAN
	WBS1                      // E-UTRAN, LTE and LTE-M
	NBS1                      // E-UTRAN, NB-IoT
)

// EDRX are the parameters of one mode: half octets as in 3GPP TS 24.008, clause
// 10.5.5.32.
type EDRX struct {
	Mode         EDRXMode
	On           bool
	Cycle        uint8 // asked for
	Granted      bool  // the network has, namely:
	GrantedCycle uint8
	GrantedPTW   uint8 // paging time window
}

// cycles are those of eDRX in E-UTRAN by their half octet, in units of 5.12 s (3GPP TS 24.008,
// table 10.5.5.32).
var cycles = [16]int64{1, 2, 4, 8, 12, 16, 20, 24, 28, 32, 64, 128, 256, 512, 1024, 2048}

// Duration returns the granted cycle, 0 if there is none or it is not of E-UTRAN. What NB-IoT
// does not have counts as 20.48 s there.
func (e *EDRX) Duration() time.Duration {
	n := e.GrantedCycle & 15
	switch {
	case !e.Granted || e.Mode < WBS1:
		return 0
	case e.Mode == NBS1 && (n < 2 || n == 4 || n >= 6 && n <= 8):
		n = 2
	}
	return times(cycles[n], 5120*time.Millisecond)
}

// Reachable returns how long after it was active the modem can be reached, false if it always
// can: T3324 where the network grants power saving mode; and nothing beyond the connection
// itself where the cycle of eDRX is longer than whoever calls it has patience.
func (s *State) Reachable(patience time.Duration) (time.Duration, bool) {
	if s.Sleep.Granted.On {
		return s.Sleep.Granted.Active, true
	}
	kind := WBS1
	if s.Network.Technology == NBIoT {
		kind = NBS1
	}
	for i := range s.Sleep.EDRX {
		if e := &s.Sleep.EDRX[i]; e.Mode == kind && e.Duration() > patience {
			return 0, true
		}
	}
	return 0, false
}

// unit is one of the steps in which a timer counts.
type unit struct {
	code byte // the upper three bits of its octet
	step time.Duration
}

// Units in growing order (3GPP TS 24.008, tables 10.5.163 and 10.5.163a).
var (
	activeUnits   = []unit{{0, 2 * time.Second}, {1, time.Minute}, {2, 6 * time.Minute}}
	periodicUnits = []unit{
		{3, 2 * time.Second},
		{4, 30 * time.Second},
		{5, time.Minute},
		{0, 10 * time.Minute},
		{1, time.Hour},
		{2, 10 * time.Hour},
		{6, 320 * time.Hour},
	}
)

// deactivated is the octet of a timer that does not run.
const deactivated = 7 << 5

// largestCount is what five bits can count.
const largestCount = 31

// EncodeActive returns T3324 as an octet (GPRS Timer 2, 3GPP TS 24.008, clause
// 10.5.7.4) and the time that it says: the nearest that it can say, which the caller
// may refuse.
func EncodeActive(d time.Duration) (octet byte, exact time.Duration) { return encode(activeUnits, d) }

// EncodePeriodic returns T3412 extended as an octet (GPRS Timer 3, 3GPP TS 24.008,
// clause 10.5.7.4a) and the time that it says.
func EncodePeriodic(d time.Duration) (octet byte, exact time.Duration) {
	return encode(periodicUnits, d)
}

// encode takes the finest unit that reaches as far as the duration.
func encode(units []unit, d time.Duration) (octet byte, exact time.Duration) {
	for i, u := range units {
		if d <= largestCount*u.step || i == len(units)-1 {
			n := min(int64((max(d, 0)+u.step/2)/u.step), largestCount)
			return u.code<<5 | byte(n), times(n, u.step) //nolint:gosec // five bits
		}
	}
	return deactivated, 0
}

// DecodeActive returns the time that an octet of T3324 says, false if the timer is
// deactivated.
func DecodeActive(octet byte) (time.Duration, bool) { return decode(activeUnits, octet, time.Minute) }

// DecodePeriodic returns the time that an octet of T3412 extended says, false if
// the timer is deactivated.
func DecodePeriodic(octet byte) (time.Duration, bool) {
	return decode(periodicUnits, octet, time.Hour)
}

// decode counts units that are reserved as the standard says: in the fallback.
func decode(units []unit, octet byte, fallback time.Duration) (time.Duration, bool) {
	if octet>>5 == deactivated>>5 {
		return 0, false
	}
	n := int64(octet & largestCount)
	for _, u := range units {
		if u.code == octet>>5 {
			return times(n, u.step), true
		}
	}
	return times(n, fallback), true
}

func times(n int64, step time.Duration) time.Duration { return time.Duration(n * int64(step)) }

// Bits writes the lowest bits of an octet as AT commands have them: "00100001".
func Bits(octet byte, width int) string { return fmt.Sprintf("%0*b", width, octet) }
