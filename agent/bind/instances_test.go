package bind

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"lwm2m-agent/agent/config"
	"lwm2m-agent/objects/registry"
)

// TestInstancesAskedForTwice: an instance that two ask for is a problem of a line of the file.
func TestInstancesAskedForTwice(t *testing.T) {
	const sensor, actuator = "[[sensor]]\ndriver='sim'\nobject=3303\n", "[[actuator]]\ndriver='gpio-out'\nchip='/dev/gpiochip0'\n"
	const meter = "[[sensor]]\nname='m'\ndriver='modbus'\nbus='tcp:h:502'\ninstance=3\n"
	const bme280, spare = "[[sensor]]\ndriver='bme280'\nbus='/dev/i2c-1'\naddress=0x76\n", "[[sensor]]\ndriver='bme280'\nbus='/dev/i2c-1'\naddress=0x77\n"
	const ads1115 = "[[sensor]]\nname='v'\ndriver='ads1115'\nbus='/dev/i2c-1'\naddress=0x48\ninstance=2\n"
	channel := func(name, object string) string {
		return "[[sensor.channel]]\nregister=" + name + "\nname='" + name + "'\n" + object + "\n"
	}
	for _, tt := range []struct{ text, want string }{
		{sensor + "name='a'\ninstance=4\n" + sensor + "name='b'\ninstance=4\n", `:10: sensor "b": instance: /3303/4 is what sensor a asks for already; give each its own, or leave it out`},
		{sensor + "name='a'\ninstance=4\n" + sensor + "name='b'\ninstance=5\n" + sensor + "name='c'\n" + sensor + "name='d'\n", ""},
		{actuator + "name='a'\nline=1\ninstance=0\n" + actuator + "name='b'\nline=2\ninstance=0\nobject=3306\n", `actuator "b": instance: /3306/0 is what actuator a asks for`},
		{actuator + "name='a'\nline=1\ninstance=0\n" + actuator + "name='b'\nline=2\ninstance=0\nobject=3311\n", ""},
		{meter + channel("1", "object=3305\nresource=5800") + channel("2", "object=3305\nresource=5805"), ""}, // they share it
		{meter + channel("1", "object=3305\nresource=5800") + channel("2", "object=3305\nresource=5800"), `instance: /3305/3 is what sensor m asks for already`},
		{meter + channel("1", "object=3305\nresource=5800") + channel("2", "object=3305\nresource=5800\ninstance=4"), ""},
		{meter + channel("1", "object=3303") + sensor + "name='a'\ninstance=3\n", `sensor "a": instance: /3303/3 is what sensor m asks for already`},
		{bme280 + "name='a'\ninstance=0\n" + spare + "name='b'\ninstance=0\n", `sensor "b": instance: /3303/0 is what sensor a asks for already`},
		{bme280 + "name='a'\ninstance=0\n" + spare + "name='b'\ninstance=1\n", ""},
		{bme280 + "name='a'\ninstance=4\n" + sensor + "name='b'\ninstance=4\n", `sensor "b": instance: /3303/4 is what sensor a asks for already`},
		{bme280 + "name='a'\ninstance=0\n[[sensor.channel]]\nname='humidity'\n" + spare + "name='b'\ninstance=0\n[[sensor.channel]]\nname='temperature'\n", ""},
		{bme280 + "name='a'\ninstance=0\n" + spare + "name='b'\n[[sensor.channel]]\nname='pressure'\ninstance=0\n", `:14: sensor "b": channel "pressure": instance: /3315/0 is what sensor a asks for already`},
		{ads1115, `sensor "v": instance: /3316/2 is what sensor v asks for already`}, // all four inputs
		{ads1115 + "[[sensor.channel]]\nname='in1'\n", ""},
		{"[[sensor]]\nname='d'\ndriver='gpio-in'\nchip='/dev/gpiochip0'\nline=1\ninstance=0\n", ""}, // state and count share it
	} {
		file := filepath.Join(t.TempDir(), "agent.toml")
		if err := os.WriteFile(file, []byte(tt.text), 0o600); err != nil {
			t.Fatal(err)
		}
		cfg, err := config.Load(file, config.Options{StateDir: t.TempDir(), Drivers: Drivers()})
		if err != nil {
			t.Fatalf("%s\n%v", tt.text, err)
		}
		problems := Check(cfg, registry.Definitions())
		if got := problems.Error(); (tt.want == "") != (len(problems) == 0) || !strings.Contains(got, tt.want) {
			t.Errorf("%s\ngot  %s\nwant %s", tt.text, got, tt.want)
		}
	}
}
