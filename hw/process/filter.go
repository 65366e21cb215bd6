package process

import (
	"math"
	"slices"
	"time"
)

// filter smooths a course of samples.
type filter struct {
	kind     Filter
	size     int
	constant time.Duration

	held  []float64 // the last samples, oldest first
	state float64
	at    time.Time
}

func (f *filter) reset() { f.held, f.at = f.held[:0], time.Time{} }

// step takes a sample and returns what is now. Until there are enough of them
// it makes do with those there are.
func (f *filter) step(s sample) float64 {
	switch f.kind {
	case Median, Average:
		if len(f.held) == f.size {
			f.held = append(f.held[:0], f.held[1:]...)
		}
		f.held = append(f.held, s.value)
		if f.kind == Median {
			return median(f.held)
		}
		return mean(f.held)
	case Exponential:
		if passed := s.time.Sub(f.at); f.at.IsZero() || passed < 0 {
			f.state = s.value
		} else {
			f.state += (s.value - f.state) * -math.Expm1(-float64(passed)/float64(f.constant))
		}
		f.at = s.time
		return f.state
	}
	return s.value
}

func median(values []float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	middle := len(sorted) / 2
	if len(sorted)%2 == 1 {
		return sorted[middle]
	}
	return (sorted[middle-1] + sorted[middle]) / 2
}

func mean(values []float64) float64 {
	sum := 0.0
	for _, v := range values {
		sum += v
	}
	return sum / float64(len(values))
}
