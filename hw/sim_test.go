package hw

import (
	"errors"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

// simSeries samples a simulated sensor n times, step apart.
func simSeries(t *testing.T, cfg Config, channel string, n int, step time.Duration) (series []float64) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		d, err := newSimSensor(&access{cfg: cfg})
		if err != nil {
			t.Fatal(err)
		}
		if err := d.Open(t.Context()); err != nil {
			t.Fatal(err)
		}
		for range n {
			readings, err := d.(sampler).Sample(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			for _, r := range readings {
				if f, ok := r.Value.Float(); ok && r.Channel == channel {
					series = append(series, math.Round(f*1000)/1000)
				}
			}
			if err := pause(t.Context(), step); err != nil {
				t.Fatal(err)
			}
		}
	})
	return series
}

func TestSimWaves(t *testing.T) {
	path := filepath.Join(t.TempDir(), "room.csv")
	if err := os.WriteFile(path, []byte("temperature, door\n20.5, 0\n21, 1\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	quarter := 15 * time.Second
	tests := []struct {
		name, channel string
		cfg           Config
		want          []float64
	}{
		{"sine is the default", "value", Config{}, []float64{50, 100, 50, 0, 50}},
		{"sine from -10 to 0", "value", Config{Wave: WaveSine, Min: -10}, []float64{-5, 0, -5, -10, -5}},
		{"ramp", "value", Config{Wave: WaveRamp, Min: 10, Max: 50}, []float64{10, 20, 30, 40, 10}},
		{"ramp of two minutes", "value", Config{Wave: WaveRamp, Max: 80, Period: 2 * time.Minute}, []float64{0, 10, 20, 30, 40}},
		{"square", "value", Config{Wave: WaveSquare, Max: 1}, []float64{0, 0, 1, 1, 0}},
		{"csv", "temperature", Config{Wave: WaveCSV, File: path, Period: quarter}, []float64{20.5, 21, 20.5, 21, 20.5}},
		{"csv, second column", "door", Config{Wave: WaveCSV, File: path, Period: 2 * quarter}, []float64{0, 0, 1, 1, 0}},
		{"track, heading", "heading", Config{Wave: WaveTrack}, []float64{90, 180, 270, 0, 90}},
		{"track, speed", "speed", Config{Wave: WaveTrack, Period: 100 * time.Second}, []float64{25.133, 25.133, 25.133, 25.133, 25.133}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if tt.cfg.Min == -10 {
				tt.cfg.Max = 0
			}
			if diff := cmp.Diff(tt.want, simSeries(t, tt.cfg, tt.channel, 5, quarter)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestSimWalk(t *testing.T) {
	cfg := Config{Wave: WaveWalk, Min: 20, Max: 22, Seed: 7}
	one := simSeries(t, cfg, "value", 500, time.Second)
	if diff := cmp.Diff(one, simSeries(t, cfg, "value", 500, time.Second)); diff != "" {
		t.Errorf("the same seed walks another way: %s", diff)
	}
	cfg.Seed = 8
	if cmp.Equal(one, simSeries(t, cfg, "value", 500, time.Second)) {
		t.Error("another seed walks the same way")
	}
	for i, v := range one {
		if v < 20 || v > 22 || i > 0 && math.Abs(v-one[i-1]) > 0.101 {
			t.Fatalf("step %d: from %v to %v", i, one[max(i-1, 0)], v)
		}
	}
}

func TestSimTrackIsACircle(t *testing.T) {
	cfg := Config{Wave: WaveTrack}
	lat := simSeries(t, cfg, "latitude", 60, time.Second)
	lon := simSeries(t, cfg, "longitude", 60, time.Second)
	for i := range lat {
		north := (lat[i] - trackLatitude) * degreeLength
		east := (lon[i] - trackLongitude) * degreeLength * math.Cos(trackLatitude*math.Pi/180)
		if r := math.Hypot(north, east); math.Abs(r-trackRadius) > 150 { // series are rounded to 0.001°
			t.Errorf("at %d s it is %.0f m from the middle", i, r)
		}
	}
}

func TestSimContact(t *testing.T) {
	run := func(seed uint64) (states []Reading) {
		synctest.Test(t, func(t *testing.T) {
			_, r, end := runBoard(t, nil, Options{}, Setup{Sensors: []Config{{
				Name: "door", Driver: "sim", Wave: WaveContact, Seed: seed, Period: time.Minute,
			}}})
			sleep(t, time.Hour)
			states = r.of(sensorUnit("door"), "state")
			count, _ := r.last(t, sensorUnit("door"), "count").Value.Integer()
			opened := int64(0)
			for i, s := range states {
				if open, _ := s.Value.Bool(); open != (i%2 == 1) {
					t.Fatalf("change %d to %v", i, s.Value)
				} else if open {
					opened++
				}
			}
			if opened != count || opened < 30 || opened > 80 {
				t.Errorf("opened %d times in an hour, counted %d", opened, count)
			}
			if err := end(); err != nil {
				t.Error(err)
			}
		})
		return states
	}
	one := run(1)
	if diff := cmp.Diff(one, run(1), cmp.AllowUnexported(Value{})); diff != "" {
		t.Errorf("the same seed: %s", diff)
	}
	if cmp.Equal(one, run(2), cmp.AllowUnexported(Value{})) {
		t.Error("another seed does the same")
	}
}

func TestReadCSV(t *testing.T) {
	channels, rows, err := readCSV(strings.NewReader("latitude,longitude,mood\n46.9, 7.4,1e3\n47,7.5,-2\n"))
	if err != nil {
		t.Fatal(err)
	}
	want := []Channel{
		{Name: "latitude", Quantity: Latitude, Unit: "lat", Kind: KindFloat},
		{Name: "longitude", Quantity: Longitude, Unit: "lon", Kind: KindFloat},
		{Name: "mood", Quantity: Generic, Kind: KindFloat},
	}
	if diff := cmp.Diff(want, channels); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([][]float64{{46.9, 7.4, 1000}, {47, 7.5, -2}}, rows); diff != "" {
		t.Error(diff)
	}
}

func TestReadCSVRefuses(t *testing.T) {
	for text, want := range map[string]string{
		"":                                   "the line of channel names",
		"a":                                  "no rows",
		"a,a\n1,2":                           "line 1, column 2: the channel name is empty, too long or there twice",
		"a,\n1,2":                            "line 1, column 2: the channel name",
		"a,b\n1,warm":                        "line 2, column 2: not a number",
		"a\n1\nNaN":                          "line 3, column 1: not a number",
		"a\n+Inf":                            "line 2, column 1: not a number",
		"a,b\n1":                             "wrong number of fields",
		strings.Repeat("a,", 64) + "b\n":     "65 columns; 64 is the most",
		strings.Repeat("a", 65) + "\n1":      "is empty, too long or there twice",
		"a\n" + strings.Repeat("x", 5000):    "line 2, column 1: not a number",
		"a\n\"1":                             "extraneous or missing",
		"-----BEGIN PRIVATE KEY-----\nMIGH":  "line 2, column 1: not a number",
		"MIGH\nMIGH":                         "line 2, column 1: not a number",
		"MIGH,MIGH\n1,2":                     "line 1, column 2: the channel name",
		"MIGH\"\n1":                          "bare \" in non-quoted-field",
		"temperature\n20\n\n21\n22,23\n24\n": "wrong number of fields",
	} {
		_, _, err := readCSV(strings.NewReader(text))
		if err == nil || !strings.Contains(err.Error(), want) || len(err.Error()) > 200 {
			t.Errorf("%q: error %v, want %q", truncate(text, 40), err, want)
		}
		if err != nil && strings.Contains(err.Error(), "MIGH") {
			t.Errorf("%q is quoted: %v", text, err)
		}
	}
}

func TestSimCSVWithoutFile(t *testing.T) {
	s := &simCSV{path: filepath.Join(t.TempDir(), "missing.csv"), period: time.Second}
	if err := s.Open(t.Context()); !errors.Is(err, ErrNoBus) {
		t.Error(err)
	}
}

func FuzzReadCSV(f *testing.F) {
	f.Add("temperature, door\n20.5, 0\n21, 1\n")
	f.Add("a\n\"1\"\n")
	f.Add("a,b\n1")
	f.Add(strings.Repeat(",", 70))
	f.Fuzz(func(t *testing.T, text string) {
		channels, rows, err := readCSV(strings.NewReader(text))
		if err != nil {
			return
		}
		if len(channels) == 0 || len(rows) == 0 {
			t.Fatalf("%d channels and %d rows without an error", len(channels), len(rows))
		}
		for _, row := range rows {
			if len(row) != len(channels) {
				t.Fatalf("a row of %d for %d channels", len(row), len(channels))
			}
		}
	})
}
