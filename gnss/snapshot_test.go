package gnss

import (
	"strings"
	"testing"
)

// TestSnapshot is what becomes of the last sentence of each kind, of one instant or of two.
func TestSnapshot(t *testing.T) {
	const (
		place = ",5114.50,N,00012.25,W,"
		rmc16 = "GPRMC,135416.00,A" + place + "10.0,45.0,281126,,,A"
		gga16 = "GPGGA,135416.00" + place + "1,08,1.00,30.5,M,45.6,M,,"
		gga17 = "GPGGA,135417.00,5114.51,N,00012.25,W,1,08,1.00,31.5,M,45.6,M,,"
		gga15 = "GPGGA,135415.00,5114.49,N,00012.25,W,1,08,1.00,29.5,M,45.6,M,,"
		vtg   = "GPVTG,46.0,T,,M,99.0,N,99.0,K,A"
		whole = "51.241667 -0.204167 alt30.50 r19.00 v5.14 c45.00 2026-11-28T13:54:16.000"
	)
	for _, c := range []struct {
		name string
		in   []string
		want string
	}{
		{"one instant", []string{rmc16, vtg, gga16}, whole},
		{"in another order", []string{vtg, gga16, rmc16}, whole},
		{"the height of the instant before", []string{vtg, rmc16, gga15}, "51.241667 -0.204167 alt29.50 r19.00 v5.14 c45.00 2026-11-28T13:54:16.000"},
		{"the date of the instant before", []string{gga17, rmc16}, "51.241833 -0.204167 alt31.50 r19.00 v5.14 c45.00 2026-11-28T13:54:17.000"},
		{"what is too old", []string{"GPGGA,135410.00,5114.00,N,00012.25,W,1,08,1.00,9.5,M,45.6,M,,", rmc16}, "51.241667 -0.204167 v5.14 c45.00 2026-11-28T13:54:16.000"},
		{"over midnight", []string{"GPGGA,000000.50" + place + "1,08,1.00,30.5,M,45.6,M,,", "GPRMC,235959.50,A,5114.00,N,00012.25,W,10.0,45.0,281126,,,A"}, "51.241667 -0.204167 alt30.50 r19.00 v5.14 c45.00 2026-11-29T00:00:00.500"},
		{"a fix that is lost", []string{gga16, "GPRMC,135417.00,V,,,,,,,281126,,,N"}, "none"},
		{"a fix that was lost before", []string{"GPGGA,135415.00,,,,,0,00,99.99,,,,,,", rmc16}, "51.241667 -0.204167 v5.14 c45.00 2026-11-28T13:54:16.000"},
		{"no time yet", []string{"GPRMC,,V,,,,,,,,,,N", "GPGSA,A,1,,,,,,,,,,,,,,,"}, "none"},
		{"no sentence of a position", []string{vtg, "GPGSV,1,1,01,23,38,230,44"}, "unheard"},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := "unheard"
			if f, heard := Snapshot([]byte(lines(c.in...))); heard {
				got = told(f)
			}
			if got != c.want {
				t.Errorf("%s, want %s", got, c.want)
			}
		})
	}
	for _, text := range []string{"", "nothing", strings.Repeat("$", 400), "$GPRMC*00", strings.ReplaceAll(lines(rmc16), "*", "*F")} {
		if f, heard := Snapshot([]byte(text)); f != nil || heard {
			t.Errorf("%q: %v, %v", text, f, heard)
		}
	}
}
