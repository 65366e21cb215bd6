package config

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestRefusals: what is wrong with a text, all of it, each with its line, its key
// and what is allowed.
func TestRefusals(t *testing.T) {
	const psk = "[[server]]\nshort_server_id = 1\nuri = 'coaps://h'\nidentity = 'i'\n"
	tests := []struct {
		name, text string
		want       []string
	}{
		{"syntax", "endpoint = \n", []string{`agent.toml:1: endpoint: syntax: expected value but found '\n' instead`}},
		{"syntax in a key", psk + "key = 00112233aabb\n", []string{"agent.toml:5: server.key: syntax: this is no value; a text needs quotes"}},
		{"syntax in a PIN", "[[modem]]\nname = 'a'\npin = 0123\n", []string{"agent.toml:3: modem.pin: syntax: this is no value; a text needs quotes"}},
		{"secret twice", psk + "key = '00'\nkey = '11'\n", []string{"agent.toml:6: server.key: syntax: Key 'server.key' has already been defined."}},
		{"key twice", "endpoint = 'a'\n\nendpoint = 'b'", []string{`agent.toml:3: endpoint: syntax: Key 'endpoint' has already been defined.`}},
		{"not UTF-8", "endpoint = 'a'\n# \xff\n", []string{"agent.toml:2: this is not UTF-8 text"}},
		{"too deep", "x = " + strings.Repeat("[", 17), []string{"agent.toml:1: keys or brackets are nested too deep"}},
		{"key too deep", "\n" + strings.Repeat("a.", 17) + "a = 1", []string{"agent.toml:2: keys or brackets are nested too deep"}},
		{"unknown key", "[device]\ncolour = 'red'", []string{"agent.toml:2: device: colour: unknown; allowed: manufacturer, model, serial, hardware_version"}},
		{"a short key", "[[modem]]\nname = 'a'\ndriver = 'at'\nport = '/dev/ttyUSB2'\napm = 'x'", []string{`agent.toml:5: modem "a": apm: unknown; did you mean "apn"? allowed: name, driver, port, speed, signal, heal, apn, netifd, power, release, pin`}},
		{"unknown table", "[[servers]]\nuri = 'x'", []string{"agent.toml:1: servers: unknown; did you mean [[server]]? allowed: endpoint, test_object, object_folder, [device], [location], [[server]], [bootstrap], [[sensor]], [[derived]], [[geofence]], [[actuator]], [[event_log]], [[modem]], [[app]], [tpm], [firmware], [lock_and_wipe], [remote_configuration], [metrics], [page], [log]"}},
		{"misspelt", "[[sensor]]\nname='a'\ndriver='sim'\nintervall='1s'", []string{
			`agent.toml:4: sensor "a": intervall: unknown; did you mean "interval"? allowed: object, interval_min, interval_max, name, driver, instance, application_type, bus, address, chip, line, device, trigger, interval, debounce, active, bias, edge, drive, shunt, frequency, range, baud, parity, stop_bits, timeout, register, table, type, word_order, unit, wave, min, max, period, seed, file, [[channel]]`,
		}},
		{"table for a list", "[server]\nuri='coap://h'", []string{"agent.toml:1: server: this is a list of tables; allowed: [[server]]"}},
		{"list for a table", "[[device]]\nmodel='m'", []string{"agent.toml:1: device: this is one table; allowed: [device]"}},
		{"value for a table", "device = 3", []string{"agent.toml:1: device: this is one table; allowed: [device]"}},
		{"value for a list", "sensor = [1, 2]", []string{"agent.toml:1: sensor: this is a list of tables; allowed: [[sensor]]"}},
		{"table for a value", "[endpoint]\nx=1", []string{"agent.toml:1: endpoint: this is not valid; allowed: text of 1 to 252 bytes without white space"}},
		{"date for a text", "endpoint = 2020-01-01", []string{"agent.toml:1: endpoint: this is not valid; allowed: text of 1 to 252 bytes without white space"}},
		{"everything at once", "endpoint = 'a b'\n[device]\nmodel = 7\n[log]\nlevel = 'loud'\n", []string{
			`agent.toml:1: endpoint: "a b" is not valid; allowed: text of 1 to 252 bytes without white space`,
			"agent.toml:3: device: model: 7 is not valid: write it in quotes; allowed: text of 1 to 255 bytes",
			`agent.toml:5: log: level: "loud" is not valid; allowed: "debug", "info", "warn", "error"`,
		}},
		{"location in part", "\n[location]\nlatitude = 91\n", []string{
			`agent.toml:2: location: longitude is missing; source "fixed" needs it`,
			"agent.toml:3: location: latitude: 91 is not valid; allowed: a number from -90 to 90",
		}},
		{"not a number", "[location]\nlatitude=nan\nlongitude=inf\n", []string{
			"agent.toml:2: location: latitude: NaN is not valid; allowed: a number from -90 to 90",
			"agent.toml:3: location: longitude: +Inf is not valid; allowed: a number from -180 to 180",
		}},
		{"location of another source", "[location]\nsource='nmea'\nlatitude=1\nbaud=100", []string{
			`agent.toml:1: location: device is missing; source "nmea" needs it`,
			`agent.toml:1: location: longitude is missing; latitude and longitude belong together`,
			"agent.toml:4: location: baud: 100 is not valid; allowed: an integer from 1200 to 4000000",
		}},
		{"fixed location with a port", "[location]\nlatitude=1\nlongitude=2\ndevice='/dev/ttyS1'", []string{
			`agent.toml:1: location: a fixed position has no device and no interval; say source = "nmea", "gpsd" or "modem"`,
		}},
		{"location without a modem", "[location]\nsource='modem'", []string{"agent.toml:2: location: source: there is no [[modem]] that could know it"}},
		{"location of another modem", "[location]\nsource='modem'\ndevice='wan'\n[[modem]]\nname='wwan'\ndriver='modemmanager'", []string{
			`agent.toml:3: location: device: there is no [[modem]] "wan"; there are: wwan`,
		}},
		{"address of gpsd", "[location]\nsource='gpsd'\naddress='here'", []string{
			`agent.toml:3: location: address: "here" is not valid; allowed: "host:port", or the path of its socket`,
		}},
		{"geofence without an area", "[[geofence]]\nname='yard'\nlatitude=1\nradius=2", []string{`agent.toml:1: geofence "yard": needs either polygon, or latitude, longitude and radius`}},
		{"geofence of two areas", "[[geofence]]\nname='yard'\nradius=2\npolygon=[[1,1],[1,2],[2,2]]", []string{`agent.toml:1: geofence "yard": needs either polygon, or latitude, longitude and radius`}},
		{"geofence with too many corners", "[[geofence]]\nname='yard'\npolygon=[" + strings.Repeat("[1,1],", 65) + "]", []string{`agent.toml:3: geofence "yard": polygon: has 65 corners; allowed: 64`}},

		{"log without source", "[[event_log]]\nname='a'", []string{`agent.toml:1: event_log "a": source: missing; needs "journal", "file"`}},
		{"log without file", "[[event_log]]\nname='a'\nsource='file'", []string{`agent.toml:1: event_log "a": file is missing; source "file" needs it`}},
		{"log with two sources", "[[event_log]]\nname='a'\nsource='journal'\nfile='b'", []string{
			`agent.toml:4: event_log "a": file: source "journal" does not take it; remove it, or set source = "file"`,
		}},
		{"class of log", "[[event_log]]\nname='a'\nsource='journal'\nclass='loud'", []string{
			`agent.toml:4: event_log "a": class: "loud" is not valid; allowed: "generic", "system", "security", "event", "trace", "panic", "charging"`,
		}},

		{"server without ID", "[[server]]\nuri='coap://h'", []string{"agent.toml:1: server: short_server_id is missing; it tells one [[server]] from the other"}},
		{"server without address", "[[server]]\nshort_server_id=1", []string{`agent.toml:1: server 1: uri: missing; needs "coap://host:port" or "coaps://host:port", over TCP "coap+tcp://…" or "coaps+tcp://…"`}},
		{"reserved ID", "[[server]]\nshort_server_id=65535\nuri='coap://h'", []string{"agent.toml:2: server 65535: short_server_id: 65535 is not valid; allowed: an integer from 1 to 65534"}},
		{"same server twice", "[[server]]\nshort_server_id=7\nuri='coap://h'\n[[server]]\nuri='coap://g'\nshort_server_id=7", []string{
			"agent.toml:6: server 7: is there twice, first in line 2; each server needs its own short_server_id",
		}},
		{"same instance twice", "[[server]]\nshort_server_id=7\nuri='coap://h'\ninstance=1\n[[server]]\nshort_server_id=8\nuri='coap://g'\ninstance=1", []string{
			"agent.toml:8: server 8: instance: 1 is what server 7 has; each server needs its own",
		}},
		{"scheme", "[[server]]\nshort_server_id=1\nuri='https://h'", []string{`agent.toml:3: server 1: uri: "https://h" is not valid: it begins with coap:// or coaps://; allowed: "coap://host:port" or "coaps://host:port", over TCP "coap+tcp://…" or "coaps+tcp://…"`}},
		{"port", "[[server]]\nshort_server_id=1\nuri='coap://h:70000'", []string{`agent.toml:3: server 1: uri: "coap://h:70000" is not valid; allowed: "coap://host:port" or "coaps://host:port", over TCP "coap+tcp://…" or "coaps+tcp://…"`}},
		{"lifetime", "[[server]]\nshort_server_id=1\nuri='coap://h'\nlifetime='1.5s'", []string{
			`agent.toml:4: server 1: lifetime: "1.5s" is not valid; allowed: a time in whole seconds such as "90s" or "24h", at most "2147483647s"`,
		}},
		{"lifetime as a number", "[[server]]\nshort_server_id=1\nuri='coap://h'\nlifetime=3600", []string{
			`agent.toml:4: server 1: lifetime: 3600 is not valid: a time has quotes and a unit, "3600s"; allowed: a time in whole seconds such as "90s" or "24h", at most "2147483647s"`,
		}},
		{"coaps without credentials", "[[server]]\nshort_server_id=1\nuri='coaps://h'", []string{
			"agent.toml:3: server 1: uri: coaps needs credentials; give identity and key_file, or use a coap address in the laboratory",
		}},
		{"coap with credentials", "[[server]]\nshort_server_id=1\nuri='coap://h'\nidentity='i'\nkey='00'", []string{
			"agent.toml:3: server 1: uri: coap is not secured, but there are credentials; use a coaps address, or leave identity and key out",
		}},
		{"TLS without a certificate", "[[server]]\nshort_server_id=1\nuri='coaps+tcp://h'\nidentity='i'\nkey='00'", []string{
			`agent.toml:3: server 1: uri: over TCP (TLS) there is security = "x509" only; use a coaps address with "psk"`,
		}},
		{"a second address without security", psk + "key='00'\nsecondary_uris=['coaps://g', 'coap+tcp://g']", []string{
			"agent.toml:6: server 1: secondary_uris: coap+tcp is not secured, but there are credentials; use a coaps address, or leave identity and key out",
		}},
		{"a second address that is none", "[[server]]\nshort_server_id=1\nuri='coap://h'\nsecondary_uris=['h']", []string{
			`agent.toml:4: server 1: secondary_uris: this is not valid; allowed: a list of up to 8 addresses like uri`,
		}},
		{"interface", "[[server]]\nshort_server_id=1\nuri='coap://h'\ninterface='a name that is too long'", []string{
			`agent.toml:4: server 1: interface: "a name that is too long" is not valid; allowed: the name of a network interface, 1 to 15 bytes`,
		}},
		{"power from nowhere", "[[modem]]\nname='a'\ndriver='modemmanager'\nheal=true\npower='rail'", []string{
			`agent.toml:5: modem "a": power: there is no [[actuator]] "rail"`,
		}},
		{"power that is off at the start", "[[actuator]]\nname='rail'\ndriver='sim'\nsafe='off'\n[[modem]]\nname='a'\ndriver='modemmanager'\nheal=true\npower='rail'", []string{
			`agent.toml:4: actuator "rail": safe: modem "a" has its power from here; allowed: "on", "keep"`,
		}},
		{"power without healing", "[[actuator]]\nname='rail'\ndriver='sim'\nsafe='on'\n[[modem]]\nname='a'\ndriver='modemmanager'\npower='rail'", []string{
			`agent.toml:8: modem "a": power: is of no use without heal = true; leave it out`,
		}},
		{"netifd without healing", "[[modem]]\nname='a'\ndriver='modemmanager'\nnetifd='wwan'", []string{
			`agent.toml:4: modem "a": netifd: is of no use without heal = true; leave it out`,
		}},
		{"a modem that is not there", "[[server]]\nshort_server_id=1\nuri='coap://h'\nmodem='wwan'", []string{
			"agent.toml:4: server 1: modem: there is no [[modem]]",
		}},
		{"another modem", "[[server]]\nshort_server_id=1\nuri='coap://h'\nmodem='wwan'\n[[modem]]\nname='a'\ndriver='modemmanager'", []string{
			`agent.toml:4: server 1: modem: there is no [[modem]] "wwan"; there are: a`,
		}},
		{"a modem of ModemManager", "[bootstrap]\nuri='coap://h'\nmodem='a'\ninterface='wwan0'\n[[modem]]\nname='a'\ndriver='modemmanager'", []string{
			`agent.toml:3: bootstrap: modem: only driver = "at" knows its sockets; with ModemManager the machine's own network goes through the modem`,
			"agent.toml:4: bootstrap: interface: a modem's own sockets are behind no network interface; give one of interface and modem",
		}},
		{"a stream through a modem", "[[server]]\nshort_server_id=1\nuri='coap+tcp://h'\nsecondary_uris=['coap+tcp://g']\nmodem='a'\n[[modem]]\nname='a'\ndriver='at'\nport='/dev/ttyUSB2'", []string{
			"agent.toml:3: server 1: uri: a modem's own sockets are for UDP; use a coap or coaps address, or leave modem out",
			"agent.toml:4: server 1: secondary_uris: a modem's own sockets are for UDP; use a coap or coaps address, or leave modem out",
		}},
		{"no key", psk, []string{"agent.toml:1: server 1: key_file: missing; a pre-shared key needs it"}},
		{"no identity", "[[server]]\nshort_server_id=1\nuri='coaps://h'\nsecurity='psk'\nkey='00'", []string{"agent.toml:1: server 1: identity: missing; a pre-shared key needs it"}},
		{"two keys", psk + "key='00'\nkey_file='f'", []string{"agent.toml:5: server 1: key: there is a key_file as well; give one of them"}},
		{"a bad key is not shown", psk + "key='secret'", []string{"agent.toml:5: server 1: key: this is not valid; allowed: 1 to 64 bytes in hexadecimal"}},
		{"key of no use", "[[server]]\nshort_server_id=1\nuri='coap://h'\nkey='00'", []string{`agent.toml:1: server 1: security: there is a key, but "none" needs no key; allowed: "psk" with identity`}},
		{"identity of no use", "[[server]]\nshort_server_id=1\nuri='coap://h'\nidentity='i'\nsecurity='none'", []string{`agent.toml:4: server 1: identity: is of no use with security = "none"; leave it out`}},
		{"kind of security that is not there", psk + "security='est'", []string{`agent.toml:5: server 1: security: "est" is not valid; allowed: "none", "psk", "rpk", "x509"`}},
		{"bootstrap has no lifetime", "[bootstrap]\nuri='coap://h'\nlifetime='1h'", []string{
			"agent.toml:3: bootstrap: lifetime: unknown; allowed: hold_off, instance, uri, secondary_uris, interface, modem, security, identity, key_file, key, private_key_file, certificate_file, server_public_key_file, server_certificate_file, certificate_usage, matching_type, sni, cipher_suites, queue_mode, version",
		}},

		{"sensor without name", "[[sensor]]\ndriver='sim'", []string{"agent.toml:1: sensor: name is missing; it tells one [[sensor]] from the other"}},
		{"sensor without driver", "[[sensor]]\nname='a'", []string{`agent.toml:1: sensor "a": driver: missing; needs text of 1 to 64 bytes`}},
		{"unknown driver", "[[sensor]]\nname='a'\ndriver='bme28'", []string{`agent.toml:3: sensor "a": driver: "bme28" is no sensor driver; did you mean "bme280"? allowed: bme280, gpio-in, iio-buffer, ina219, lis3dh, max31855, modbus, sim, thermal`}},
		{"driver of the other role", "[[actuator]]\nname='a'\ndriver='bme280'", []string{`agent.toml:3: actuator "a": driver: "bme280" is no actuator driver; allowed: gpio-out, modbus, pca9685, sim`}},
		{"key that the driver does not take", "[[sensor]]\nname='a'\ndriver='thermal'\ndevice='cpu'\nwave='sine'", []string{
			`agent.toml:5: sensor "a": wave: driver thermal does not take it; allowed: device, interval`,
		}},
		{"key that the driver needs", "[[sensor]]\nname='a'\ndriver='thermal'", []string{`agent.toml:1: sensor "a": device is missing; driver thermal needs it`}},
		{"address", "[[sensor]]\nname='a'\ndriver='bme280'\nbus='b'\naddress=0x80", []string{`agent.toml:5: sensor "a": address: 128 is not valid; allowed: 0x03 to 0x77`}},
		{"two sensors on one address", "[[sensor]]\nname='a'\ndriver='bme280'\nbus='/dev/i2c-1'\naddress=0x76\n[[sensor]]\nname='b'\ndriver='bme280'\nbus='/dev/i2c-1'\naddress=0x76", []string{
			`agent.toml:10: sensor "b": address: 0x76 on /dev/i2c-1 is used by sensor "a" already, agent.toml:1; give each its own`,
		}},
		{"a sensor and an actuator on one line", "[[actuator]]\nname='pump'\ndriver='gpio-out'\nchip='gpiochip0'\nline=4\n[[sensor]]\nname='b'\ndriver='gpio-in'\nchip='/dev/gpiochip0'\nline=4", []string{
			`agent.toml:5: actuator "pump": line: 4 of gpiochip0 is used by sensor "b" already, agent.toml:6; give each its own`,
		}},
		{"same channel twice", "[[sensor]]\nname='a'\ndriver='sim'\n[[sensor.channel]]\nname='c'\n[[sensor.channel]]\nname='c'", []string{
			`agent.toml:7: sensor "a": channel "c": is there twice, first in line 5; each channel needs its own name`,
		}},
		{"object 0", "[[sensor]]\nname='a'\ndriver='sim'\nobject=0", []string{`agent.toml:4: sensor "a": object: 0 is not valid; allowed: an integer from 1 to 65534`}},
		{"control characters", "[[sensor]]\nname=\"a\\u0007\"\ndriver='sim'", []string{`agent.toml:2: sensor "a\a": name: "a\a" is not valid; allowed: text of 1 to 64 bytes`}},
		{"safe", "[[actuator]]\nname='a'\ndriver='gpio-out'\nchip='c'\nline=1\nsafe='maybe'", []string{
			`agent.toml:6: actuator "a": safe: "maybe" is not valid; allowed: "off", "on", "keep", or a level from 0 to 100`,
		}},
		{"interlock", "[[actuator]]\nname='a'\ndriver='sim'\n[[actuator.interlock]]\ninput='door/state'\nwhile='open'\n[[actuator.interlock]]\nabove=1", []string{
			`agent.toml:6: actuator "a": interlock "door/state": while: "open" is not valid; allowed: "on", "off"`,
			`agent.toml:7: actuator "a": interlock: input is missing; it tells one [[interlock]] from the other`,
		}},
		{"inline tables", "device = {model = 3}\nsensor = [{name='a', driver='sim', line=-1}]", []string{
			"agent.toml:1: device: model: 3 is not valid: write it in quotes; allowed: text of 1 to 255 bytes",
			`agent.toml:2: sensor "a": line: -1 is not valid; allowed: a number from 0 to 1023 or the line's name`,
			`agent.toml:2: sensor "a": line: driver sim does not take it; allowed: wave, min, max, period, seed, unit, file, interval`,
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := build(sources(tt.text), Options{Drivers: drivers}, noKeys)
			if err == nil {
				t.Fatal("was taken")
			}
			if d := cmp.Diff(tt.want, strings.Split(err.Error(), "\n")); d != "" {
				t.Error(d)
			}
		})
	}
}

// TestMistakes: the usual mistakes are named.
func TestMistakes(t *testing.T) {
	const server = "[[server]]\nshort_server_id = 1\nuri = 'coap://h'\n"
	at := func(uri string) string { return "[[server]]\nshort_server_id = 1\nuri = '" + uri + "'\n" }
	for text, want := range map[string]string{
		"[[server]]\nshort_server_id = '1'\nuri = 'coap://h'\n": "write it without quotes",
		server + "queue_mode = 'true'":                          "write it without quotes",
		server + "version = 1.2":                                "write it in quotes",
		server + "lifetime = 300":                               `a time has quotes and a unit, "300s"`,
		server + "identity = 'i'\nkey = 11223344":               "key: this is not valid: write it in quotes",
		at("lwm2m.example.com"):                                 "it begins with coap://",
		at("coaps:lwm2m.example.com"):                           "it begins with coap://",
		at("coap://bücher.example"):                             "write the name in its ASCII form, xn--…",
		at("coap://h "):                                         "there is white space in it",
		at("coap://fe80::1"):                                    "an IPv6 address stands in brackets",
		at("coap://2001:db8::1:5683"):                           "an IPv6 address stands in brackets",
		at("coap://[fe80::1%eth0]"):                             "written with %25",
	} {
		if _, err := build(sources(text), Options{Drivers: drivers}, noKeys); err == nil || !strings.Contains(err.Error(), " is not valid: ") || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", text, err, want)
		}
	}
	for _, uri := range []string{"coap://[fe80::1%25eth0]", "coap://[::1]:5683", "coap://xn--bcher-kva.example", "coap://192.0.2.1"} {
		if _, err := build(sources(at(uri)), Options{Drivers: drivers}, noKeys); err != nil {
			t.Errorf("%s: %v", uri, err)
		}
	}
}

// TestRefusalsAreBounded: a text that is wrong all over, or in one long line, does
// not flood the terminal.
func TestRefusalsAreBounded(t *testing.T) {
	_, err := build(sources(strings.Repeat("[[sensor]]\n", 1000)), Options{}, noKeys)
	lines := strings.Split(err.Error(), "\n")
	if last := lines[len(lines)-1]; len(lines) != maxProblems+1 || last != "agent.toml:101: and 900 more from here on" {
		t.Errorf("%d lines, the last is %q", len(lines), last)
	}
	_, err = build(sources(strings.Repeat("k", 1000)+" = 1\n\"\\u001b[2J\" = 1"), Options{}, noKeys)
	if text := err.Error(); len(text) > 1000 || strings.Contains(text, "\x1b") || !strings.Contains(text, `"\x1b[2J"`) {
		t.Errorf("%d bytes: %q", len(text), text)
	}
}

// TestRefusalsOfSeveralFiles: what is wrong is told for each file, and what only
// the files together lack is not a matter of one.
func TestRefusalsOfSeveralFiles(t *testing.T) {
	_, err := build(sources(
		"[[server]]\nshort_server_id=1\nlifetime='1h'\n",
		"[[server]]\nshort_server_id=1\nuri=7\n",
		"[[server]]\nshort_server_id=1\nuri='coap://h'\n[[server]]\nshort_server_id=2\n",
	), Options{}, noKeys)
	if err == nil {
		t.Fatal("was taken")
	}
	want := []string{
		`agent.d/1.toml:3: server 1: uri: 7 is not valid; allowed: "coap://host:port" or "coaps://host:port", over TCP "coap+tcp://…" or "coaps+tcp://…"`,
		`agent.d/2.toml:4: server 2: uri: missing; needs "coap://host:port" or "coaps://host:port", over TCP "coap+tcp://…" or "coaps+tcp://…"`,
	}
	if d := cmp.Diff(want, strings.Split(err.Error(), "\n")); d != "" {
		t.Error(d)
	}
}
