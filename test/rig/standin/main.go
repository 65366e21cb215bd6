// Standin is the program that the rig is tested with. It does on the board what an agent does: it samples a sensor on the I2C bus, watches
// an input line and switches an output line, and talks to a host over UDP. It knows nothing of LwM2M.
//
// Its argument is the host's UDP address. It sends "temperature T" for each "sample" it is sent, "input LEVEL" for each edge of line 4 of
// /dev/gpiochip0, and sets line 5 to the level N of each "output N".
package main

import (
	"context"
	"crypto/rand"
	"fmt"
	"net"
	"os"

	"github.com/warthog618/go-gpiocdev"
	"periph.io/x/conn/v3/i2c"
	"periph.io/x/host/v3/sysfs"
)

const (
	chip       = "gpiochip0"
	inputLine  = 4
	outputLine = 5
	sensor     = 0x48
)

func main() {
	if err := run(os.Args[1]); err != nil {
		fmt.Println("STANDIN", err)
		os.Exit(1)
	}
}

func run(host string) error {
	var dialer net.Dialer
	conn, err := dialer.DialContext(context.Background(), "udp", host)
	if err != nil {
		return err
	}
	defer conn.Close()
	output, err := gpiocdev.RequestLine(chip, outputLine, gpiocdev.AsOutput(0))
	if err != nil {
		return fmt.Errorf("request the output: %w", err)
	}
	defer output.Close()
	input, err := gpiocdev.RequestLine(chip, inputLine, gpiocdev.WithBothEdges, gpiocdev.WithEventHandler(func(e gpiocdev.LineEvent) {
		fmt.Fprintf(conn, "input %v", e.Type == gpiocdev.LineEventRisingEdge)
	}))
	if err != nil {
		return fmt.Errorf("request the input: %w", err)
	}
	defer input.Close()
	fmt.Println("STANDIN UP", rand.Text()) // the kernel's random numbers are there
	return serve(conn, output)
}

// serve does what the host says.
func serve(conn net.Conn, output *gpiocdev.Line) error {
	if _, err := conn.Write([]byte("up")); err != nil {
		return err
	}
	message := make([]byte, 100)
	for {
		n, err := conn.Read(message)
		if err != nil {
			return err
		}
		var level int
		if _, err := fmt.Sscanf(string(message[:n]), "output %d", &level); err != nil {
			fmt.Fprintf(conn, "temperature %v", sample())
		} else if err := output.SetValue(level); err != nil {
			return err
		}
	}
}

// sample reads the TMP105's temperature register (data sheet SBOS648, section 7.5.2) from a bus that is opened anew, as it may be another.
func sample() string {
	bus, err := sysfs.NewI2C(0)
	if err != nil {
		return err.Error()
	}
	defer bus.Close()
	var register [2]byte
	if err := (&i2c.Dev{Bus: bus, Addr: sensor}).Tx([]byte{0}, register[:]); err != nil {
		return err.Error()
	}
	return fmt.Sprint(float64(int16(uint16(register[0])<<8|uint16(register[1]))) / 256)
}
