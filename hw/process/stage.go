package process

import (
	"maps"
	"reflect"
	"slices"
	"strings"
	"sync"

	"lwm2m-agent/hw"
)

// Setup is what is done to the readings of a board.
type Setup struct {
	Channels   map[Input]Channel
	Derived    []Derived // each after those that are its inputs
	Interlocks []Interlock
}

// Stage stands between a hw.Board and the sink that takes what it says.
type Stage struct {
	next hw.Sink
	keep Keep
	hold Hold

	mu      sync.Mutex // held while next is called, which keeps the order
	setup   Setup
	sensors map[string]*sensor
	workers map[string]*worker
	latest  map[Input]hw.Reading // after processing
	counts  map[Input]int64      // how far a source has counted, as it says
	guards  []*guard
	held    map[string]string // why an actuator must be safe, as it was told; one without interlocks is not in it
	unsure  bool              // what is not known now may be at the end of Apply: nobody is told
}

var _ hw.Sink = (*Stage)(nil)

// sensor is one that was described.
type sensor struct {
	raw    []hw.Channel // as the driver has them
	out    []hw.Channel
	chains map[string]*chain
	last   map[string]hw.Reading // by channel, as the driver had it
}

// NewStage returns a stage that changes nothing yet. A nil hold is for setups
// without interlocks.
func NewStage(next hw.Sink, keep Keep, hold Hold) *Stage {
	return &Stage{
		next: next, keep: keep, hold: hold, sensors: make(map[string]*sensor), workers: make(map[string]*worker),
		latest: make(map[Input]hw.Reading), counts: make(map[Input]int64), held: make(map[string]string),
	}
}

// Apply makes the setup the stage's. What has not changed keeps its memory.
func (s *Stage) Apply(setup Setup) {
	s.mu.Lock()
	defer s.mu.Unlock()
	old := s.setup
	s.setup, s.unsure = setup, true
	for _, d := range old.Derived {
		if !slices.ContainsFunc(setup.Derived, func(e Derived) bool { return reflect.DeepEqual(d, e) }) {
			s.forget(d.Name)
			s.next.Removed(sensorUnit(d.Name))
		}
	}
	differs := func(at Input) bool {
		at.Channel = strings.TrimSuffix(at.Channel, AlarmSuffix)
		return !reflect.DeepEqual(old.Channels[at], setup.Channels[at])
	}
	for name, sn := range s.sensors {
		changed := func(at Input) bool { return at.Sensor == name && differs(at) }
		if slices.ContainsFunc(sn.raw, func(c hw.Channel) bool { return changed(Input{name, c.Name}) }) {
			s.unknow(changed)
			s.describe(name, sn.raw, sn)
			s.repeat(name, changed)
		}
	}
	s.derive(differs)
	s.unsure = false
	s.interlock(setup.Interlocks)
}

func sensorUnit(name string) hw.Unit { return hw.Unit{Role: hw.RoleSensor, Name: name} }

// Describe implements hw.Sink.
func (s *Stage) Describe(u hw.Unit, channels []hw.Channel) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if u.Role != hw.RoleSensor {
		s.next.Describe(u, channels)
		return
	}
	of := func(at Input) bool { return at.Sensor == u.Name }
	s.unknow(of)
	s.describe(u.Name, channels, nil)
	s.derive(of)
}

// describe sets up the chains of a sensor. One that goes on with the device of a
// former keeps what it said, and the chains that stay as they are.
func (s *Stage) describe(name string, channels []hw.Channel, former *sensor) {
	sn := &sensor{raw: channels, chains: make(map[string]*chain), last: make(map[string]hw.Reading)}
	if former != nil {
		sn.last = former.last
	}
	var alarms []hw.Channel
	for _, d := range channels {
		if c, ok := s.setup.Channels[Input{name, d.Name}]; ok {
			ch, out := newChain(c, d)
			if former != nil && former.chains[d.Name] != nil && reflect.DeepEqual(former.chains[d.Name].Channel, c) {
				ch = former.chains[d.Name]
			}
			sn.chains[d.Name] = ch
			if c.Alarm.Given() {
				alarms = append(alarms, hw.Channel{Name: d.Name + AlarmSuffix, Quantity: hw.State, Kind: hw.KindBool})
			}
			d = out
		}
		sn.out = append(sn.out, d)
	}
	sn.out = append(sn.out, alarms...)
	s.sensors[name] = sn
	s.next.Describe(sensorUnit(name), slices.Clone(sn.out))
}

// repeat tells what a sensor said last, as it is with what is done to it now: an
// input line may say nothing for days. What is derived knows it, or takes it up in derive.
// What is done to the other channels is done, once.
func (s *Stage) repeat(name string, changed func(Input) bool) {
	sn := s.sensors[name]
	var readings []hw.Reading
	for _, c := range sn.raw {
		last, heard := sn.last[c.Name]
		if heard && changed(Input{name, c.Name}) {
			readings = append(readings, sn.step([]hw.Reading{last})...)
			continue
		}
		for _, channel := range []string{c.Name, c.Name + AlarmSuffix} {
			if r, known := s.latest[Input{name, channel}]; known {
				readings = append(readings, r)
			}
		}
	}
	if len(readings) == 0 {
		return
	}
	s.guarded(name, readings)
	s.next.Deliver(sensorUnit(name), readings)
}

// derive sets up the derived sensors that can be and are not yet, and anew those
// that a changed channel is an input of. They begin with what is known.
func (s *Stage) derive(changed func(Input) bool) {
	anew := make(map[string]bool)
	for _, d := range s.setup.Derived {
		again := slices.ContainsFunc(d.Inputs, func(in Input) bool { return anew[in.Sensor] || changed(in) })
		inputs, ok := s.inputs(d)
		if !ok || s.workers[d.Name] != nil && !again {
			continue
		}
		anew[d.Name] = true
		s.unknow(func(at Input) bool { return at.Sensor == d.Name })
		w, c := newWorker(d, inputs, s.keep)
		w.count = s.counts[d.Inputs[0]]
		s.workers[d.Name] = w
		s.sensors[d.Name] = &sensor{out: []hw.Channel{c}, last: make(map[string]hw.Reading)}
		s.next.Describe(sensorUnit(d.Name), []hw.Channel{c})
		for i, in := range d.Inputs {
			if r, known := s.latest[in]; known {
				w.take(i, r)
			}
		}
		s.tell(w)
	}
}

// inputs returns the channels of the inputs of d, if all are known.
func (s *Stage) inputs(d Derived) ([]hw.Channel, bool) {
	inputs := make([]hw.Channel, 0, len(d.Inputs))
	for _, in := range d.Inputs {
		sn := s.sensors[in.Sensor]
		if sn == nil {
			return nil, false
		}
		i := slices.IndexFunc(sn.out, func(c hw.Channel) bool { return c.Name == in.Channel })
		if i < 0 {
			return nil, false
		}
		inputs = append(inputs, sn.out[i])
	}
	return inputs, true
}

// Deliver implements hw.Sink.
func (s *Stage) Deliver(u hw.Unit, readings []hw.Reading) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if sn := s.sensors[u.Name]; u.Role == hw.RoleSensor && sn != nil {
		s.note(u.Name, sn, readings)
		readings = sn.step(readings)
		s.guarded(u.Name, readings) // first: an output is to be safe before anybody is told
	}
	s.next.Deliver(u, thin(readings))
	if u.Role == hw.RoleSensor {
		s.follow(u.Name, readings)
	}
}

// note keeps what a sensor says, and for totals that begin meanwhile how far its
// counts are, which a device that is described anew may go on with.
func (s *Stage) note(name string, sn *sensor, readings []hw.Reading) {
	for i := range readings {
		sn.last[readings[i].Channel] = readings[i]
		if n, ok := readings[i].Value.Integer(); ok && readings[i].Quality != hw.Invalid {
			s.counts[Input{name, readings[i].Channel}] = n
		}
	}
}

// thin leaves out what a batch says in between: of a number that was measured
// often the lowest, the highest and the last are told, of a state its changes,
// and all that is not good. What is derived has seen every sample by itself.
func thin(readings []hw.Reading) []hw.Reading {
	places := make(map[string][3]int) // of a channel's lowest, highest and last good reading
	good := 0
	for i, r := range readings {
		if r.Quality != hw.Good {
			continue
		}
		good++
		k, again := places[r.Channel]
		if !again {
			k = [3]int{i, i, i}
		}
		x, _ := number(r.Value)
		if low, _ := number(readings[k[0]].Value); x < low {
			k[0] = i
		}
		if high, _ := number(readings[k[1]].Value); x > high {
			k[1] = i
		}
		k[2] = i
		places[r.Channel] = k
	}
	if len(places) == good {
		return readings
	}
	told := make([]hw.Reading, 0, len(readings)-good+3*len(places))
	said := make(map[string]hw.Value)
	for i, r := range readings {
		k := places[r.Channel]
		between := r.Quality == hw.Good && !slices.Contains(k[:], i)
		if between && (r.Value.Kind() == hw.KindFloat || r.Value == said[r.Channel]) {
			continue
		}
		said[r.Channel] = r.Value
		told = append(told, r)
	}
	return told
}

// step takes readings through the chains of their channels.
func (sn *sensor) step(readings []hw.Reading) []hw.Reading {
	if len(sn.chains) == 0 {
		return readings
	}
	out := make([]hw.Reading, 0, len(readings)+1)
	for _, r := range readings {
		c := sn.chains[r.Channel]
		if c == nil {
			out = append(out, r)
			continue
		}
		r = c.step(r)
		out = append(out, r)
		if c.Alarm.Given() {
			out = append(out, c.alarm(r))
		}
	}
	return out
}

// follow computes what follows from the readings of a sensor.
func (s *Stage) follow(name string, readings []hw.Reading) {
	news := map[string][]hw.Reading{name: readings}
	for _, d := range s.setup.Derived {
		w := s.workers[d.Name]
		if w == nil {
			continue
		}
		for i, in := range d.Inputs {
			for _, r := range news[in.Sensor] {
				if r.Channel == in.Channel {
					w.take(i, r)
				}
			}
		}
		news[d.Name] = s.tell(w)
	}
}

// tell tells what follows from new inputs of a derived sensor, and returns it.
func (s *Stage) tell(w *worker) []hw.Reading {
	if !w.due {
		return nil
	}
	r, ok := w.result()
	if !ok {
		return nil
	}
	readings := []hw.Reading{r}
	s.guarded(w.Name, readings)
	s.next.Deliver(sensorUnit(w.Name), slices.Clone(readings))
	return readings
}

// Removed implements hw.Sink.
func (s *Stage) Removed(u hw.Unit) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.next.Removed(u)
	if u.Role != hw.RoleSensor {
		return
	}
	gone := map[string]bool{u.Name: true}
	s.forget(u.Name)
	maps.DeleteFunc(s.counts, func(at Input, _ int64) bool { return at.Sensor == u.Name })
	for _, d := range s.setup.Derived {
		if s.workers[d.Name] != nil && slices.ContainsFunc(d.Inputs, func(in Input) bool { return gone[in.Sensor] }) {
			gone[d.Name] = true
			s.forget(d.Name)
			s.next.Removed(sensorUnit(d.Name))
		}
	}
	s.derive(func(Input) bool { return false }) // one that has taken the name over
}

func (s *Stage) forget(name string) {
	s.unknow(func(at Input) bool { return at.Sensor == name })
	delete(s.sensors, name)
	delete(s.workers, name)
}
