// Module is a cellular module on a board with a power line: attest's modem, at a pseudo-terminal that a link such as /dev/ttyUSB2 leads to
// while a simulated GPIO line gives it power, with sockets that go to the guest's network.
//
// Its arguments are a transcript, the link, the line's "value" of gpio-sim, and the level at which there is power, "0" or "1". Until it has been
// without power, SIGUSR1 has it hang, and SIGUSR2 fail: it has no connection, makes none, and hangs when it is reset. "MODULE LINK on N" tells
// that it has been given power for the N-th time, "MODULE LINK off N" that this is over; "MODULE LINK hangs" and "MODULE LINK fails".
package main

import (
	"errors"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"lwm2m-agent/modem/at/attest"
)

// look is how often the line is looked at: gpio-sim tells nobody of a level that changes. The power is off for seconds.
const look = 20 * time.Millisecond

func main() {
	fmt.Println("MODULE", run(os.Args[1], os.Args[2], os.Args[3], os.Args[4]))
	os.Exit(1)
}

// run is the module until it fails.
func run(transcript, link, line, on string) error {
	hurt := make(chan os.Signal, 1)
	signal.Notify(hurt, unix.SIGUSR1, unix.SIGUSR2)
	var supplied *module // nil: without power
	for n := 0; ; {
		level, err := os.ReadFile(line)
		if err != nil {
			return err
		}
		switch powered := strings.TrimSpace(string(level)) == on; {
		case powered && supplied == nil:
			if supplied, err = start(transcript, link); err != nil {
				return err
			}
			n++
			fmt.Println("MODULE", link, "on", n)
		case !powered && supplied != nil:
			if err := supplied.end(); err != nil {
				return err
			}
			supplied = nil
			fmt.Println("MODULE", link, "off", n)
		}
		select {
		case s := <-hurt:
			if s == unix.SIGUSR1 {
				supplied.hang()
			} else if err := supplied.fail(); err != nil {
				return err
			}
		case <-time.After(look):
		}
	}
}

// module is one that has power.
type module struct {
	link   string
	modem  *attest.Modem
	stack  *attest.Stack
	unplug func()
}

func start(transcript, link string) (*module, error) {
	m, port, unplug, err := attest.PlugIn(transcript)
	if err != nil {
		return nil, err
	}
	return &module{link, m, m.Connect("quectel", nil), unplug}, errors.Join(os.Symlink(port, link), m.Say("RDY"))
}

// end takes the power away, and with it the port.
func (m *module) end() error {
	err := os.Remove(m.link)
	m.unplug()
	m.stack.Close()
	return err
}

// hang has it answer nothing any more.
func (m *module) hang() {
	m.modem.Silence(true)
	fmt.Println("MODULE", m.link, "hangs")
}

// fail has the network take the connection back (3GPP TS 27.007, clause 10.1.19).
func (m *module) fail() error {
	m.stack.Close()
	m.modem.Set("AT+CGACT?", "+CGACT: 1,0", "+CGACT: 2,0", "OK")
	for _, refused := range []string{"AT+QIACT", "AT+QIOPEN", "AT+QISEND", "AT+CGATT=1"} {
		m.modem.Handle(refused, func(string) string { return "ERROR" })
	}
	for _, accepted := range []string{"AT+CGATT=0", "AT+CFUN=4", "AT+CFUN=1"} {
		m.modem.Set(accepted, "OK")
	}
	m.modem.Handle("AT+CFUN=1,1", func(string) string {
		m.hang()
		return "OK"
	})
	fmt.Println("MODULE", m.link, "fails")
	return m.modem.Say("+CGEV: NW DETACH")
}
