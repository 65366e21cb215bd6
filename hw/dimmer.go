package hw

// dimmerChannels are those of an output that can be switched and dimmed.
func dimmerChannels() []Channel {
	return []Channel{
		{Name: "state", Quantity: State, Kind: KindBool},
		{Name: "level", Quantity: Level, Unit: "%", Kind: KindFloat, Range: Range{0, 100}},
	}
}

// dimmer knows the level that an output takes when it is switched on: the one
// that it had last. The zero dimmer takes all.
type dimmer struct {
	level float64 // %; 0 was never set
}

// percent is what a setting of a channel makes the output be at.
func (d *dimmer) percent(channel string, v Value) float64 {
	percent, _ := v.Float()
	if channel == "state" {
		on, _ := v.Bool()
		switch {
		case !on:
			percent = 0
		case d.level > 0:
			percent = d.level
		default:
			percent = 100
		}
	}
	if percent > 0 {
		d.level = percent
	}
	return percent
}

// safe is the level of a safe state that is not to keep.
func (d *dimmer) safe(s Safe) float64 {
	channels := dimmerChannels()
	if level := s.value(channels[1]); level != Float(0) {
		return d.percent("level", level)
	}
	return d.percent("state", s.value(channels[0]))
}

// dimmerReadings are the readings of an output at a level.
func dimmerReadings(percent float64) []Reading {
	return []Reading{
		{Channel: "state", Value: Bool(percent > 0), Quality: Good},
		{Channel: "level", Value: Float(percent), Quality: Good},
	}
}
