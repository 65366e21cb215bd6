package rig

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"

	"lwm2m-agent/test/workspace"
)

// Host is the address under which the guest reaches this machine's loopback, over UDP and TCP.
const Host = "10.0.2.2"

// The bus addresses of the sensors on /dev/i2c-0.
const (
	TMP105  = 0x48
	DPS310  = 0x76
	TMP421  = 0x4c
	EMC1413 = 0x5c
	DS1338  = 0x68
	PCA9552 = 0x60
	LSM303  = 0x1e // the magnetometer of an LSM303DLHC
	AT24C   = 0x50
)

// Board is a running board.
type Board struct {
	*guest
	tester *tester // qtest
}

// kernelArguments keeps the DMA engine away, which QEMU lacks and through which the kernel would read the first serial port.
const kernelArguments = "console=ttymxc1,115200 rig.shell=ttymxc0 initcall_blacklist=sdma_driver_init"

// Start boots a board, which is taken away with the test. Its console is an artifact of the test.
func Start(t workspace.T, c Config) *Board {
	t.Helper()
	folder, sockets := system(t), socketFolder(t)
	qtest := filepath.Join(sockets, "qtest")
	g := boot(t, hardware{
		qemu: []string{
			"qemu-system-arm", "-M", "sabrelite", "-m", "512", "-dtb", filepath.Join(folder, treeFile),
			"-netdev", "user,id=net", "-net", "nic,model=imx.enet,netdev=net",
			"-device", fmt.Sprintf("tmp105,id=tmp105,bus=i2c-bus.0,address=%#x", TMP105),
			"-device", fmt.Sprintf("dps310,id=dps310,bus=i2c-bus.0,address=%#x", DPS310),
			"-device", fmt.Sprintf("tmp421,id=tmp421,bus=i2c-bus.0,address=%#x", TMP421),
			"-device", fmt.Sprintf("emc1413,id=emc1413,bus=i2c-bus.0,address=%#x", EMC1413),
			"-device", fmt.Sprintf("ds1338,bus=i2c-bus.0,address=%#x", DS1338),
			"-device", fmt.Sprintf("pca9552,id=pca9552,bus=i2c-bus.0,address=%#x", PCA9552),
			"-device", fmt.Sprintf("lsm303dlhc_mag,id=lsm303,bus=i2c-bus.0,address=%#x", LSM303),
			"-device", fmt.Sprintf("at24c-eeprom,bus=i2c-bus.0,address=%#x,rom-size=256", AT24C),
			"-qtest", "unix:" + qtest + ",server=on,wait=off", "-qtest-log", "/dev/null",
		},
		system: folder, arguments: kernelArguments, sockets: sockets,
	}, c)
	b := &Board{guest: g, tester: dialTester(t, g.process, qtest)}
	b.WaitConsole(t, startTime, "RIG UP")
	return b
}

// Build compiles a package of this module and returns the program's path: for the board, unless env says something else, as "GOARCH=amd64".
func Build(t workspace.T, pkg string, env ...string) string {
	t.Helper()
	program := filepath.Join(t.TempDir(), filepath.Base(pkg))
	cmd := exec.CommandContext(t.Context(), "go", "build", "-trimpath", "-o", program, pkg)
	cmd.Dir = workspace.Root(t)
	cmd.Env = slices.Concat(os.Environ(), []string{"CGO_ENABLED=0", "GOOS=linux", "GOARCH=arm", "GOARM=6"}, env)
	if err := run(cmd); err != nil {
		t.Fatalf("build %s for a guest: %v", pkg, err)
	}
	return program
}

// Network plugs the board's network cable in or pulls it out.
func (b *Board) Network(t workspace.T, connected bool) {
	t.Helper()
	b.monitor.execute(t, "set_link", map[string]any{"name": "net", "up": connected})
}
