package gnss

import (
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// line is a sentence with its checksum.
func line(body string) string {
	var sum byte
	for i := range len(body) {
		sum ^= body[i]
	}
	return fmt.Sprintf("$%s*%02X\r\n", body, sum)
}

// lines are several.
func lines(bodies ...string) string {
	var s strings.Builder
	for _, b := range bodies {
		s.WriteString(line(b))
	}
	return s.String()
}

// told is what came of a fix, in short; "none" is an instant without one.
func told(f *Fix) string {
	if f == nil {
		return "none"
	}
	s := fmt.Sprintf("%.6f %.6f", f.Latitude, f.Longitude)
	add := func(name string, v *float64) {
		if v != nil {
			s += fmt.Sprintf(" %s%.2f", name, *v)
		}
	}
	add("alt", f.Altitude)
	add("r", f.Radius)
	add("v", f.Speed)
	add("c", f.Course)
	if f.Estimated {
		s += " estimated"
	}
	if !f.Time.IsZero() {
		s += f.Time.Format(" 2006-01-02T15:04:05.000")
	}
	return s
}

func parse(text string, piece int) ([]string, Counts) {
	var got []string
	n := NewNMEA(func(f *Fix) { got = append(got, told(f)) })
	for len(text) > 0 {
		size := min(piece, len(text))
		_, _ = n.Write([]byte(text[:size]))
		text = text[size:]
	}
	n.Flush()
	return got, n.Counts()
}

// TestNMEA is what becomes of the sentences of one instant, byte by byte and at once. That of
// 13:54 is the example of u-blox's protocol specification (UBX-13003221).
func TestNMEA(t *testing.T) {
	for _, c := range []struct {
		name, in string
		want     []string
	}{
		{"GGA", lines("GPGGA,092725.00,4717.11399,N,00833.91590,E,1,08,1.01,499.6,M,48.0,M,,"), []string{"47.285233 8.565265 alt499.60 r19.19"}},
		{"GGA corrected", lines("GNGGA,092725.00,4717.11399,N,00833.91590,E,2,08,1.00,499.6,M,48.0,M,,"), []string{"47.285233 8.565265 alt499.60 r4.75"}},
		{"GGA void", lines("GPGGA,092725.00,,,,,0,00,99.99,,,,,,"), []string{"none"}},
		{"GGA dead reckoning", lines("GPGGA,092725.00,4717.11399,N,00833.91590,E,6,00,,,M,,M,,"), []string{"47.285233 8.565265 estimated"}},
		{"south and west", lines("GPGGA,092725.00,3351.50000,S,15112.00000,W,1,08,,,M,,M,,"), []string{"-33.858333 -151.200000"}},
		{"RMC", lines("GPRMC,083559.00,A,4717.11437,N,00833.91522,E,0.004,77.52,091202,,,A"), []string{"47.285240 8.565254 v0.00 c77.52 2002-12-09T08:35:59.000"}},
		{"RMC of version 2.1", lines("GPRMC,081836,A,3751.65,S,14507.36,E,000.0,360.0,130998,011.3,E"), []string{"-37.860833 145.122667 v0.00 c360.00 1998-09-13T08:18:36.000"}},
		{"RMC void", lines("GNRMC,083559.00,V,4717.11437,N,00833.91522,E,0.004,77.52,091202,,,N"), []string{"none"}},
		{"RMC without a time", lines("GPRMC,,V,,,,,,,,,,N", "GPRMC,,V,,,,,,,,,,N"), []string{"none", "none"}},
		{"GNS", lines("GNGNS,103600.01,5114.51176,N,00012.29380,W,ANNN,07,1.18,111.5,45.6,,,V"), []string{"51.241863 -0.204897 alt111.50 r22.42"}},
		{"GNS void", lines("GNGNS,122310.2,,,,,NN,00,,,,,,"), []string{"none"}},
		{"speed of VTG", lines("GAGGA,092725.00,4717.11399,N,00833.91590,E,1,08,,,M,,M,,", "GAVTG,77.52,T,,M,19.438,N,36.000,K,A"), []string{"47.285233 8.565265 v10.00 c77.52"}},
		{"HDOP of GSA", lines("GBRMC,083559.00,A,4717.11437,N,00833.91522,E,,,091202,,,A", "GBGSA,A,3,23,29,07,,,,,,,,,,1.94,2.00,1.54"), []string{"47.285240 8.565254 r38.00 2002-12-09T08:35:59.000"}},
		{"no fix by GSA", lines("GPRMC,083559.00,A,4717.11437,N,00833.91522,E,,,091202,,,A", "GPGSA,A,1,,,,,,,,,,,,,,,"), []string{"none"}},
		{
			"all of an instant",
			lines("GPRMC,135416.50,A,5114.50,N,00012.25,W,10.0,45.0,281126,,,A", "GPVTG,46.0,T,,M,99.0,N,99.0,K,A",
				"GPGGA,135416.50,5114.50,N,00012.25,W,1,08,1.00,30.5,M,45.6,M,,", "GPGSA,A,3,23,29,07,,,,,,,,,,1.94,9.00,1.54",
				"GPGSV,1,1,01,23,38,230,44", "GPGST,135416.50,1.8,,,,3.0,4.0,2.2", "GPGLL,5114.50,N,00012.25,W,135416.50,A,A"),
			[]string{"51.241667 -0.204167 alt30.50 r10.00 v5.14 c45.00 2026-11-28T13:54:16.500"},
		},
		{
			"a warning in one sentence counts",
			lines("GPGGA,092725.00,4717.11399,N,00833.91590,E,1,08,1.01,499.6,M,48.0,M,,", "GPRMC,092725.00,V,4717.11437,N,00833.91522,E,,,091202,,,A"),
			[]string{"none"},
		},
		{
			"nonsense numbers",
			lines("GPGGA,092725.00,4760.00,N,00833.91590,E,1,08,,,M,,M,,", "GPGGA,092726.00,4717.1,N,18100.0,E,1,08,,,M,,M,,", "GPGGA,092727.00,4717.1,N,0x1p3,E,1,08,,,M,,M,,",
				"GPGGA,092728.00,4717.1,X,00833.9,E,1,08,,,M,,M,,", "GPGGA,092729.00,4717.1,N,00833.9,E,1,08,Inf,NaN,M,,M,,"),
			[]string{"none", "none", "none", "none", "47.285000 8.565000"},
		},
		{"a date that is none", lines("GPRMC,083559.00,A,4717.11437,N,00833.91522,E,,,311102,,,A"), []string{"47.285240 8.565254"}},
		{"other talkers and sentences", lines("PUBX,00,1", "HCHDG,101.1,,,7.1,W", "GPTXT,01,01,02,ANTSTATUS=OK"), nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			for _, piece := range []int{1, 7, math.MaxInt} {
				got, counts := parse(c.in, piece)
				if d := cmp.Diff(c.want, got); d != "" || counts.Bad != 0 {
					t.Errorf("in pieces of %d: %d bad, %s", piece, counts.Bad, d)
				}
			}
		})
	}
}

// TestNMEABadLines: what is no sentence is counted, and does not touch its neighbours.
func TestNMEABadLines(t *testing.T) {
	good := lines("GPGGA,092725.00,4717.11399,N,00833.91590,E,1,08,1.01,499.6,M,48.0,M,,")
	for name, bad := range map[string]string{
		"wrong checksum":      "$GPGGA,092725.00,4717.11399,N,00833.91590,E,1,08,1.01,499.6,M,48.0,M,,*5C\r\n",
		"no checksum":         "$GPGGA,092725.00,4717.11399,N,00833.91590,E,1,08,1.01,499.6,M,48.0,M,,\r\n",
		"checksum of letters": "$GPGGA,092725.00*ZZ\r\n",
		"too long":            "$GPTXT," + strings.Repeat("x", maxLine) + "*00\r\n",
		"too short":           "$*00\r\n",
		"other bytes":         "$GP\x80\xffGA,1*00\n",
		"AIS":                 "!AIVDM,1,1,,A,14eG;o@034o8sd<L9i:a;WF>062D,0*7D\r\n",
	} {
		got, counts := parse(good+bad+strings.ReplaceAll(good, "\r", ""), 5)
		if len(got) != 2 || counts.Bad != 1 || counts.Good != 2 || counts.Bytes != uint64(2*len(good)-1+len(bad)) {
			t.Errorf("%s: %q, %+v", name, got, counts)
		}
	}
	if got, counts := parse("\x00\xb5b junk "+good, 3); len(got) != 1 || counts.Bad != 0 {
		t.Errorf("behind junk: %q, %+v", got, counts)
	}
}

// TestNMEAInTime: from the second instant on, a fix is told with its own last sentence.
func TestNMEAInTime(t *testing.T) {
	var got []string
	n := NewNMEA(func(f *Fix) { got = append(got, told(f)) })
	at := func(second int) []string {
		clock := time.Unix(int64(second), 0).UTC().Format("150405.00")
		return []string{
			"GPRMC," + clock + fmt.Sprintf(",A,4717.0,N,%05d.0,E,,,281126,,,A", 800+second),
			"GPGGA," + clock + fmt.Sprintf(",4717.0,N,%05d.0,E,1,08,1.00,,M,,M,,", 800+second),
			"GPGSV,1,1,01,23,38,230,44", "GPGSA,A,3,23,,,,,,,,,,,,1.94,1.00,1.65", "GNGSA,A,3,67,,,,,,,,,,,,1.94,1.00,1.65",
		}
	}
	for second := range 4 {
		for i, body := range at(second) {
			_, _ = n.Write([]byte(line(body)))
			want := second
			if second == 0 || i == len(at(0))-1 && second > 0 {
				want = second + min(second, 1)
			}
			if len(got) != want {
				t.Fatalf("after sentence %d of second %d: %q", i, second, got)
			}
		}
	}
	// Sentences less: the instant is told with the next one, which is told as early as this
	// one would have been, and none twice.
	_, _ = n.Write([]byte(lines(at(4)[:2]...) + lines(at(5)...)))
	if len(got) != 6 || !strings.HasSuffix(got[3], "00:00:03.000") || !strings.HasSuffix(got[4], "00:00:04.000") || !strings.HasSuffix(got[5], "00:00:05.000") {
		t.Errorf("%q", got)
	}
}

func FuzzNMEA(f *testing.F) {
	f.Add([]byte(lines("GPRMC,135416.50,A,5114.50,N,00012.25,W,10.0,45.0,281126,,,A", "GPVTG,46.0,T,,M,99.0,N,99.0,K,A", "GPGST,135416.50,1.8,,,,3.0,4.0,2.2")), 1)
	f.Add([]byte(lines("GNGNS,103600.01,5114.51176,N,00012.29380,W,ANNN,07,1.18,111.5,45.6,,,V", "GPGSA,A,1,,,,,,,,,,,,,,,")), 13)
	f.Add([]byte(lines("GPGGA,092725.00,4717.11399,N,00833.91590,E,1,08,1.01,499.6,M,48.0,M,,")+"$GP\r$\n*"), 200)
	f.Fuzz(func(t *testing.T, data []byte, piece int) {
		if piece < 1 {
			piece = 1
		}
		var fixes []*Fix
		n := NewNMEA(func(f *Fix) { fixes = append(fixes, f) })
		for rest := data; len(rest) > 0; {
			size := min(piece, len(rest))
			_, _ = n.Write(rest[:size])
			rest = rest[size:]
			if len(n.line) > maxLine {
				t.Fatalf("a line of %d bytes is kept", len(n.line))
			}
		}
		n.Flush()
		c := n.Counts()
		if c.Bytes != uint64(len(data)) || c.Good+c.Bad > c.Bytes || uint64(len(fixes)) > c.Good {
			t.Errorf("%+v, %d fixes", c, len(fixes))
		}
		last, heard := Snapshot(data)
		if last != nil && !heard {
			t.Errorf("a fix of nobody: %+v", last)
		}
		for _, f := range append(fixes, last) {
			if f == nil {
				continue
			}
			if !(math.Abs(f.Latitude) <= 90) || !(math.Abs(f.Longitude) <= 180) {
				t.Errorf("%+v", f)
			}
			for _, v := range []*float64{f.Altitude, f.Radius, f.Speed, f.Course} {
				if v != nil && (math.IsNaN(*v) || math.IsInf(*v, 0)) {
					t.Errorf("%+v", f)
				}
			}
		}
		whole, _ := parse(string(data), math.MaxInt)
		if len(whole) != len(fixes) {
			t.Errorf("%d fixes in pieces of %d, %d at once", len(fixes), piece, len(whole))
		}
	})
}
