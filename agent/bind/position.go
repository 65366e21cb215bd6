package bind

import (
	"lwm2m-agent/hw"
	"lwm2m-agent/objects"
)

// positionReader puts a receiver's channels together into positions.
type positionReader struct {
	quantities map[string]hw.Quantity // channel → what it measures
	lost       bool
}

func newPositionReader(channels []hw.Channel) *positionReader {
	p := &positionReader{quantities: make(map[string]hw.Quantity)}
	for _, c := range channels {
		p.quantities[c.Name] = c.Quantity
	}
	return p
}

// publish enters the position of one sample in object 6.
func (p *positionReader) publish(to *objects.Location, readings []hw.Reading) error {
	var pos objects.Position
	found := 0
	for i := range readings {
		r := &readings[i]
		f, ok := r.Value.Float()
		if !ok || r.Quality == hw.Invalid {
			continue
		}
		value := f
		switch p.quantities[r.Channel] {
		case hw.Latitude:
			pos.Latitude, pos.Time, pos.Quality = f, r.Time, qualityOf(r.Quality)
			found++
		case hw.Longitude:
			pos.Longitude = f
			found++
		case hw.Altitude:
			pos.Altitude = &value
		case hw.Speed:
			pos.Speed = &value
		case hw.Heading:
			pos.Bearing = &value
		}
	}
	if found < 2 {
		if p.lost {
			return nil
		}
		p.lost = true
		return to.Lost()
	}
	p.lost = false
	return to.Publish(pos)
}
