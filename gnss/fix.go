package gnss

import (
	"errors"
	"time"
)

// Fix is a position. Pointers are nil where nothing is known.
type Fix struct {
	Time                time.Time // UTC, as the receiver has it; zero if it did not say
	Latitude, Longitude float64   // degrees, WGS 84
	Altitude            *float64  // m above mean sea level
	Radius              *float64  // m: how far off it may be, in 95 of 100 cases
	Speed               *float64  // m/s over ground
	Course              *float64  // degrees clockwise from true north
	Estimated           bool      // not measured: dead reckoning, or a simulator
}

// What the pseudorange of a satellite is off by, as a horizontal error in m at 95 %, for
// a dilution of precision of 1: the numbers that gpsd works with (its P_UERE), so
// that a receiver gives the same radius through it and without it.
const (
	rangeError     = 19.0
	correctedError = 4.75 // with differential corrections
)

// ErrNoFix says that the receiver works and sees too few satellites.
var ErrNoFix = errors.New("the receiver has no fix: is its antenna connected, and does it see the sky?")

// ErrResting says that there is no fix because power is saved, which is as it should be.
var ErrResting = errors.New("the modem sleeps to save power; its receiver is asked when it is awake")

// Radius returns the radius for a horizontal dilution of precision.
func Radius(hdop float64, corrected bool) *float64 {
	if !(hdop > 0 && hdop < 99) { // 99.99 is what receivers say that know none
		return nil
	}
	if corrected {
		return new(hdop * correctedError)
	}
	return new(hdop * rangeError)
}
