package bind

import (
	"encoding/binary"
	"fmt"
	"log/slog"
	"math"

	"lwm2m-agent/agent/store"
)

// memory keeps the extremes and the count of one instance, and where its meters were set
// back, in the state directory, by what the instance is bound to. It implements
// objects.Memory.
type memory struct {
	store   *store.Store
	log     *slog.Logger
	name    string            // of the instance in keys: "3303/cold room"
	unit    string            // that extremes are in: in another they mean nothing
	units   map[uint16]string // of each resource
	counter *store.Counter
}

func (m *memory) extremesKey(rid uint16) string { return fmt.Sprintf("extremes/%s/%d", m.name, rid) }

func (m *memory) restartKey(rid uint16) string { return fmt.Sprintf("restart/%s/%d", m.name, rid) }

// load returns the extremes that were kept, if they are in the unit of now.
func (m *memory) load(rid uint16) ([2]float64, bool) {
	record := m.store.Small(m.extremesKey(rid))
	if len(record) < 16 || string(record[16:]) != m.unit {
		return [2]float64{}, false
	}
	low := math.Float64frombits(binary.LittleEndian.Uint64(record))
	high := math.Float64frombits(binary.LittleEndian.Uint64(record[8:]))
	return [2]float64{low, high}, low <= high
}

// restarted returns where a source was when its resource was set back, if that was in the
// unit of now, else 0.
func (m *memory) restarted(rid uint16) float64 {
	record := m.store.Small(m.restartKey(rid))
	if len(record) < 8 || string(record[8:]) != m.units[rid] {
		return 0
	}
	return math.Float64frombits(binary.LittleEndian.Uint64(record))
}

// Extremes implements objects.Memory.
func (m *memory) Extremes(rid uint16, lowest, highest float64) {
	record := binary.LittleEndian.AppendUint64(nil, math.Float64bits(lowest))
	record = binary.LittleEndian.AppendUint64(record, math.Float64bits(highest))
	m.note(m.extremesKey(rid), append(record, m.unit...))
}

// Forget implements objects.Memory.
func (m *memory) Forget(rid uint16) { m.note(m.extremesKey(rid), nil) }

func (m *memory) note(key string, record []byte) {
	if err := m.store.DeferSmall(key, record); err != nil {
		m.log.Warn("extremes or a reset are not kept", slog.String("key", key), slog.Any("error", err))
	}
}

// Restart implements objects.Memory. What is counted here begins at 0, what others count
// goes on.
func (m *memory) Restart(rid uint16, at float64) {
	switch {
	case m.counter != nil:
		m.counter.Add(-m.counter.Value())
	case at == 0:
		m.note(m.restartKey(rid), nil)
	default:
		record := binary.LittleEndian.AppendUint64(nil, math.Float64bits(at))
		m.note(m.restartKey(rid), append(record, m.units[rid]...))
	}
}
