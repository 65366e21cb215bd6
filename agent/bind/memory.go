package bind

import (
	"encoding/binary"
	"fmt"
	"log/slog"
	"math"

	"lwm2m-agent/agent/store"
)

// memory keeps the extremes and the count of one instance in the state directory,
// by what the instance is bound to. It implements objects.Memory.
type memory struct {
	store   *store.Store
	log     *slog.Logger
	prefix  string // of the keys of extremes
	unit    string // that they are in: in another they mean nothing
	counter *store.Counter
}

func (m *memory) key(rid uint16) string { return fmt.Sprintf("%s%d", m.prefix, rid) }

// load returns the extremes that were kept, if they are in the unit of now.
func (m *memory) load(rid uint16) ([2]float64, bool) {
	record := m.store.Small(m.key(rid))
	if len(record) < 16 || string(record[16:]) != m.unit {
		return [2]float64{}, false
	}
	low := math.Float64frombits(binary.LittleEndian.Uint64(record))
	high := math.Float64frombits(binary.LittleEndian.Uint64(record[8:]))
	return [2]float64{low, high}, low <= high
}

// Extremes implements objects.Memory.
func (m *memory) Extremes(rid uint16, lowest, highest float64) {
	record := binary.LittleEndian.AppendUint64(nil, math.Float64bits(lowest))
	record = binary.LittleEndian.AppendUint64(record, math.Float64bits(highest))
	m.note(rid, append(record, m.unit...))
}

// Forget implements objects.Memory.
func (m *memory) Forget(rid uint16) { m.note(rid, nil) }

func (m *memory) note(rid uint16, record []byte) {
	if err := m.store.DeferSmall(m.key(rid), record); err != nil {
		m.log.Warn("extremes are not kept", slog.String("key", m.key(rid)), slog.Any("error", err))
	}
}

// Restart implements objects.Memory.
func (m *memory) Restart(uint16) {
	if m.counter != nil {
		m.counter.Add(-m.counter.Value())
	}
}
