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
	optional := map[hw.Quantity]**float64{hw.Altitude: &pos.Altitude, hw.Speed: &pos.Speed, hw.Heading: &pos.Bearing}
	found := 0
	for i := range readings {
		r := &readings[i]
		f, ok := r.Value.Float()
		if !ok || r.Quality == hw.Invalid {
			continue
		}
		q := p.quantities[r.Channel]
		if field := optional[q]; field != nil {
			*field = &f
		}
		if q == hw.Latitude {
			pos.Latitude, pos.Time, pos.Quality = f, r.Time, qualityOf(r.Quality)
			found++
		}
		if q == hw.Longitude {
			pos.Longitude = f
			found++
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
