package hw

import (
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"time"
)

// simCSV plays the rows of a file, one for each period, over and over. The
// first row names the channels; a name that is a quantity has its unit.
type simCSV struct {
	simClock
	path     string
	period   time.Duration
	channels []Channel
	rows     [][]float64
}

// Limits of a recording.
const (
	maxCSVBytes   = 4 << 20
	maxCSVColumns = 64
)

func (s *simCSV) Channels() []Channel { return s.channels }

func (s *simCSV) Open(context.Context) error {
	file, err := os.Open(s.path)
	if err != nil {
		return nodeError(s.path, err)
	}
	defer func() { _ = file.Close() }() // was only read
	s.channels, s.rows, err = readCSV(io.LimitReader(file, maxCSVBytes))
	if err != nil {
		return fmt.Errorf("%s: %w", s.path, err)
	}
	return nil
}

func (s *simCSV) Close(context.Context) {}

func (s *simCSV) Sample(context.Context) ([]Reading, error) {
	row := s.rows[s.elapsed()/s.period%time.Duration(len(s.rows))]
	readings := make([]Reading, len(row))
	for i, value := range row {
		readings[i] = Reading{Channel: s.channels[i].Name, Value: Float(value), Quality: Good}
	}
	return readings, nil
}

// readCSV reads a recording. Errors have nothing of what is in it: a server may have named a file that is none.
func readCSV(r io.Reader) ([]Channel, [][]float64, error) {
	rows := csv.NewReader(r)
	rows.TrimLeadingSpace = true
	head, err := rows.Read()
	if err != nil {
		return nil, nil, fmt.Errorf("the line of channel names: %w", err)
	}
	if len(head) > maxCSVColumns {
		return nil, nil, fmt.Errorf("%d columns; %d is the most", len(head), maxCSVColumns)
	}
	channels, err := csvChannels(head)
	if err != nil {
		return nil, nil, err
	}
	var values [][]float64
	for {
		cells, err := rows.Read()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, nil, err
		}
		row := make([]float64, len(cells))
		for i, cell := range cells {
			row[i], err = strconv.ParseFloat(strings.TrimSpace(cell), 64)
			if err != nil || row[i]-row[i] != 0 {
				line, _ := rows.FieldPos(i)
				return nil, nil, fmt.Errorf("line %d, column %d: not a number", line, i+1)
			}
		}
		values = append(values, row)
	}
	if len(values) == 0 {
		return nil, nil, errors.New("no rows")
	}
	return channels, values, nil
}

func csvChannels(head []string) ([]Channel, error) {
	units := map[Quantity]string{
		Temperature: "Cel", Humidity: "%RH", Pressure: "Pa", Illuminance: "lx", Voltage: "V", Current: "A",
		Power: "W", Energy: "J", Latitude: "lat", Longitude: "lon", Altitude: "m", Speed: "m/s", Heading: "deg",
	}
	seen := make(map[string]bool)
	channels := make([]Channel, len(head))
	for i, name := range head {
		name = strings.TrimSpace(name)
		if name == "" || len(name) > 64 || seen[name] {
			return nil, fmt.Errorf("line 1, column %d: the channel name is empty, too long or there twice", i+1)
		}
		seen[name] = true
		channels[i] = Channel{Name: name, Quantity: Generic, Kind: KindFloat}
		if unit, ok := units[Quantity(name)]; ok {
			channels[i].Quantity, channels[i].Unit = Quantity(name), unit
		}
	}
	return channels, nil
}
