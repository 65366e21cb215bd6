package config

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"
)

const uciExample = `# of OpenWrt
package lwm2m-agent

config agent
	option endpoint "urn:dev:os:32473-gw-17"

config server 'office'
	option short_server_id 101
	option uri 'coaps://lwm2m.example.com'
	option identity '0017'
	option key '00112233'
	option lifetime '1h'
	option queue_mode '1'
	list rights 'read'
	list rights 'write'

config sensor cold_room
	option name 'cold room'
	option driver bme280
	option bus /dev/i2c-1
	option address 0x76    # as i2cdetect has it

config channel 'pressure'
	option object 3323

config sensor
	option name 'door'
	option driver 'gpio-in'
	option chip '/dev/gpiochip0'
	option line '17'

config location
	option latitude 60.5
	option longitude '24'
`

func TestUCISlotsOfFirmware(t *testing.T) {
	cfg, err := buildUCI("config firmware\n\toption backend uboot\n\tlist keys /etc/lwm2m-agent/vendor.pub\n" +
		"config slot A\n\tlist devices rootfs=/dev/x1\nconfig slot B\n\tlist devices rootfs=/dev/x2\n")
	if err != nil {
		t.Fatal(err)
	}
	if s := cfg.Firmware.Images.Slots; len(s) != 2 || s[1].Name != "B" || s[1].Devices["rootfs"] != "/dev/x2" {
		t.Errorf("slots are %+v", s)
	}
}

func buildUCI(text string) (*Config, error) {
	return build([]*source{{file: "/etc/config/lwm2m-agent", text: text, uci: true}}, Options{Drivers: drivers}, noKeys)
}

func TestUCI(t *testing.T) {
	cfg, err := buildUCI(uciExample)
	if err != nil {
		t.Fatal(err)
	}
	s := cfg.Servers[0]
	if cfg.Endpoint != "urn:dev:os:32473-gw-17" || s.ShortServerID != 101 || s.Identity != "0017" || s.Lifetime != time.Hour || !s.QueueMode ||
		s.URI.String() != "coaps://lwm2m.example.com:5684" || !slices.Equal(s.Rights, []Right{RightRead, RightWrite}) {
		t.Errorf("server is %+v, endpoint %q", s, cfg.Endpoint)
	}
	if len(cfg.Sensors) != 2 || cfg.Sensors[0].Name != "cold room" || cfg.Sensors[0].Settings.Address != 0x76 || cfg.Sensors[1].Name != "door" {
		t.Fatalf("sensors are %+v", cfg.Sensors)
	}
	if c := cfg.Sensors[0].Channels; len(c) != 1 || c[0].Name != "pressure" || c[0].Object != 3323 {
		t.Errorf("channels are %+v", c)
	}
	if cfg.Location == nil || cfg.Location.Latitude != 60.5 || cfg.Location.Longitude != 24 {
		t.Errorf("location is %+v", cfg.Location)
	}
}

// TestUCIRefused shows that what is wrong is told with its line, as in TOML.
func TestUCIRefused(t *testing.T) {
	for text, want := range map[string]string{
		"option uri 'x'\n": `/etc/config/lwm2m-agent:1: syntax: option uri stands before any "config"`,
		"config server 's'\n\toption uri 'coap://h\n":                                                   `:2: syntax: the quote ' is not closed in its line`,
		"\n\nconfg server\n":                                                                            `:3: syntax: want "config TYPE ['NAME']"`,
		"config location\nconfig location\n":                                                            `:2: syntax: "config location" is there twice, first in line 1`,
		"config server\n\toption short_server_id '70000'\n\toption uri 'coap://h'\n":                    `:2: server "70000": short_server_id: "70000" is not valid; allowed: an integer from 1 to 65534`,
		"config server\n\toption short_server_id '1'\n\toption uri 'coap://h'\n\toption lifetme '1h'\n": `:4: server "1": lifetme: unknown; did you mean "lifetime"?`,
		"config sensor 'cold room'\n":                                                                   `:1: syntax: a section's name has letters, digits and "_" only, or uci does not read the file: leave it out, and say: option name 'cold room'`,
		"config sensor door\nconfig app 'door'\n":                                                       `:2: syntax: a section is called door already, in line 1, and uci would make one of both: leave the name out, and say: option name 'door'`,
		"config servr\n": `:1: servr: unknown; did you mean [[server]]?`,
		"config agent\n\tlist endpoint 'a'\n\toption endpoint 'b'\n\tlist endpoint 'c'\n": `:4: syntax: list endpoint: it is an option, too`,
	} {
		_, err := buildUCI(text)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q\n%v\nwant %s", text, err, want)
		}
	}
}

// TestUCISaysAll: each table of the schema, and each within another, has a section.
func TestUCISaysAll(t *testing.T) {
	in := func(n *node, s *section) *node {
		if below := n.table[s.name]; below != nil && below.isList() && s.identity != "" {
			return below.list[0]
		} else if below != nil && below.isTable() && s.identity == "" {
			return below
		}
		t.Fatalf("%s is not said", s.name)
		return nil
	}
	for i := range schema.sections {
		s := &schema.sections[i]
		text := "config " + s.name + "\n"
		for j := range s.sections {
			text += "config " + s.sections[j].name + "\n\toption a 'b'\n"
		}
		root, problem := parseUCI(&source{file: "lwm2m-agent", text: text, uci: true})
		if problem != nil {
			t.Fatal(problem)
		}
		for j := range s.sections {
			if within := in(in(root, s), &s.sections[j]); within.table["a"] == nil {
				t.Errorf("%s of %s has %v", s.sections[j].name, s.name, within.table)
			}
		}
	}
}

func TestUCINestedAndPairs(t *testing.T) {
	cfg, err := buildUCI("config sensor level\n\toption driver sim\n\toption object 3303\nconfig channel\n\toption name value\n\tlist calibration '0,0.5'\n\tlist calibration '100, 99'\n" +
		"config actuator pump\n\toption driver gpio-out\n\toption chip /dev/gpiochip0\n\toption line 22\n" +
		"config interlock\n\toption input level/value\n\toption above 80\nconfig interlock\n\toption input level/other\n\toption below 5\n" +
		"config geofence yard\n\tlist polygon '60.1,24.1'\n\tlist polygon '60.2,24.1'\n\tlist polygon '60.2,24.2'\n")
	if err != nil {
		t.Fatal(err)
	}
	if c := cfg.Geofences[0].Polygon; len(c) != 3 || c[2] != [2]float64{60.2, 24.2} {
		t.Errorf("polygon is %v", c)
	}
	if c := cfg.Sensors[0].Channels[0].Processing.Calibration; len(c) != 2 || c[1] != [2]float64{100, 99} {
		t.Errorf("calibration is %v", c)
	}
	if l := cfg.Actuators[0].Interlocks; len(l) != 2 || l[0].Input != "level/value" || *l[0].Above != 80 || *l[1].Below != 5 {
		t.Errorf("interlocks are %+v", l)
	}
}

func TestUCIWords(t *testing.T) {
	for line, want := range map[string][]string{
		"":                        nil,
		"  # nothing":             nil,
		"option a b # c":          {"option", "a", "b"},
		"option a 'b # c'":        {"option", "a", "b # c"},
		`option a "b \" c" `:      {"option", "a", `b " c`},
		`option a 'b \ c'`:        {"option", "a", `b \ c`},
		`option a b'c d'"e f"`:    {"option", "a", "bc de f"},
		"option\ta\t''":           {"option", "a", ""},
		"option a b#c":            {"option", "a", "b#c"},
		"\toption  a   b\\ c\r\n": {"option", "a", "b c"},
	} {
		got, err := uciWords(line)
		if err != nil || !slices.Equal(got, want) {
			t.Errorf("%q: %q, %v, want %q", line, got, err, want)
		}
	}
}

func TestIsUCI(t *testing.T) {
	for text, want := range map[string]bool{
		uciExample: true, "config x\n": true, "endpoint = 'x'\n": false, "": false, "# config\n[server]\n": false, "config = 1\n": false,
	} {
		if got := isUCI("/etc/lwm2m-agent/agent.toml", text); got != want {
			t.Errorf("%.20q: %v", text, got)
		}
	}
	if !isUCI("/etc/config/lwm2m-agent", "") {
		t.Error("an empty file of OpenWrt is taken for TOML")
	}
}

// FuzzUCI shows that any text gives a configuration or problems with lines, and no secret.
func FuzzUCI(f *testing.F) {
	f.Add(uciExample)
	f.Add("config server 's'\n\toption uri 'coap://h\n")
	f.Add("config channel\nlist a ''\n\"")
	f.Fuzz(func(t *testing.T, text string) {
		_, err := buildUCI(text)
		if err == nil {
			return
		}
		problems, ok := errors.AsType[Problems](err)
		if !ok || len(problems) == 0 {
			t.Fatalf("the error is %#v", err)
		}
		for _, p := range problems {
			if p.Line < 0 || p.Line > 1+strings.Count(text, "\n") {
				t.Errorf("line %d of %q", p.Line, text)
			}
		}
	})
}
