package gnss

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// What gpsd 3.22 says, with long lists cut short.
const (
	gpsdVersion = `{"class":"VERSION","release":"3.22","rev":"3.22","proto_major":3,"proto_minor":14}`
	gpsdDevices = `{"class":"DEVICES","devices":[{"class":"DEVICE","path":"/dev/ttyS1","activated":"2026-11-28T12:00:00.000Z"}]}`
	gpsdTPV     = `{"class":"TPV","device":"/dev/ttyS1","mode":3,"time":"2026-11-28T12:00:28.000Z","ept":0.005,"lat":47.285237833,"lon":8.565265000,` +
		`"altHAE":547.6000,"altMSL":499.6000,"alt":499.6000,"epv":37.950,"track":77.5200,"speed":3.000,"climb":0.000,"geoidSep":48.000,"eph":19.190,"sep":36.860}`
)

func TestDaemonHears(t *testing.T) {
	for _, c := range []struct{ device, in, want string }{
		{"", gpsdTPV, "47.285238 8.565265 alt499.60 r19.19 v3.00 c77.52 2026-11-28T12:00:28.000"},
		{"/dev/ttyS1", gpsdTPV, "47.285238 8.565265 alt499.60 r19.19 v3.00 c77.52 2026-11-28T12:00:28.000"},
		{"/dev/ttyS2", gpsdTPV, ""},
		{"", `{"class":"TPV","mode":2,"status":6,"lat":-1.5,"lon":2,"epx":3.5,"epy":4.5}`, "-1.500000 2.000000 r4.50 estimated"},
		{"", `{"class":"TPV","mode":3,"lat":-1.5,"lon":2,"alt":30}`, "-1.500000 2.000000 alt30.00"},
		{"", `{"class":"TPV","device":"/dev/ttyS1","mode":1,"time":"2026-11-28T12:00:28.000Z"}`, "none, " + ErrNoFix.Error()},
		{"", `{"class":"TPV","mode":3,"lat":1}`, "none, " + ErrNoFix.Error()},
		{"", `{"class":"DEVICES","devices":[]}`, "none, " + errNoReceiver.Error()},
		{"", gpsdDevices, ""},
		{"", gpsdVersion, ""},
		{"", `{"class":"ERROR","message":"Can't open a device"}`, `none, gpsd: "Can't open a device"`},
		{"", `{"class":"TPV","mode":"three"}`, ""},
		{"", `$GPTXT`, ""},
	} {
		got := ""
		Daemon{Device: c.device}.hear([]byte(c.in), func(r Report) {
			if got = told(r.Fix); r.Why != nil {
				got += ", " + r.Why.Error()
			}
		})
		if got != c.want {
			t.Errorf("%s: %q, want %q", c.in, got, c.want)
		}
	}
}

// TestDaemonFollow: over either kind of socket it asks to be told, and an overlong line or
// the end of the connection ends it.
func TestDaemonFollow(t *testing.T) {
	for _, network := range []string{"tcp", "unix"} {
		address := "127.0.0.1:0"
		if network == "unix" {
			address = filepath.Join(t.TempDir(), "gpsd.sock")
		}
		l, err := net.Listen(network, address)
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		asked := make(chan string, 2)
		go func() {
			for _, text := range []string{gpsdVersion + "\r\n" + gpsdTPV + "\r\n", gpsdTPV + "\r\n" + strings.Repeat("x", 2*maxObject), gpsdTPV + "\r\n"} {
				conn, err := l.Accept()
				if err != nil {
					return
				}
				line, _ := bufio.NewReader(conn).ReadString('\n')
				asked <- line
				_, _ = io.WriteString(conn, text)
				if text == gpsdTPV+"\r\n" {
					_, _ = conn.Read(make([]byte, 1)) // until the other end leaves
				}
				_ = conn.Close()
			}
		}()
		ctx, cancel := context.WithCancel(t.Context())
		var got []string
		d := Daemon{Address: l.Addr().String(), Device: "/dev/ttyS1"}
		for _, want := range []string{"gpsd has ended the connection", "token too long", ""} {
			err := d.Follow(ctx, func(r Report) {
				got = append(got, told(r.Fix))
				if len(got) == 3 {
					cancel()
				}
			})
			if text := fmt.Sprint(err); !strings.Contains(text, want) || want == "" && err != nil {
				t.Errorf("%s: %v, want %q", network, err, want)
			}
			if line := <-asked; line != `?WATCH={"enable":true,"json":true,"device":"/dev/ttyS1"};`+"\n" {
				t.Errorf("%s: asked %q", network, line)
			}
		}
		if len(got) != 3 || len(slices.Compact(got)) != 1 {
			t.Errorf("%s: %q", network, got)
		}
		cancel()
	}
	err := Daemon{Address: filepath.Join(t.TempDir(), "none")}.Follow(t.Context(), nil)
	if err == nil || !strings.Contains(err.Error(), "connect with gpsd") {
		t.Error(err)
	}
}

func FuzzDaemon(f *testing.F) {
	for _, line := range []string{gpsdTPV, gpsdDevices, gpsdVersion, `{"class":"TPV","mode":2,"lat":1e400,"lon":null,"time":"x"}`} {
		f.Add([]byte(line))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		reports := 0
		Daemon{}.hear(data, func(r Report) {
			if reports++; (r.Fix == nil) == (r.Why == nil) {
				t.Errorf("%+v", r)
			}
		})
		if reports > 1 {
			t.Errorf("%d reports", reports)
		}
	})
}
