package at

import (
	"context"
	"fmt"
	"strings"

	"lwm2m-agent/modem"
)

// dialect is where a family of modules differs from 3GPP TS 27.007. A nil function is
// what the standard has.
type dialect struct {
	name         string
	manufacturer string   // as +CGMI begins, in capitals
	models       []string // as +CGMM begins, in capitals; none is every one
	setup        []string // commands after the start; the module may refuse them
	reset        string   // the command that restarts it

	technologies map[int]modem.Technology // values of <AcT> of its own
	signal       func(context.Context, *session) (modem.Signal, error)
	cell         func(context.Context, *session) error // what +CEREG does not tell
	traffic      func(context.Context, *session) (*modem.Traffic, error)
	heard        func(s *session, name, rest string) bool       // a URC: its name and what follows the colon
	login        func(cid int, p modem.Profile) (string, error) // +CGAUTH or what stands for it
	order        func(context.Context, *session, *modem.Selection) error
	setOrder     string                      // format of the command for it, "" if there is none
	sequence     map[modem.Technology]string // what a technology is called in it, two digits
	asleep       []string                    // how lines begin that say that power is saved from now on
	receiver     *receiver                   // nil: it has none, or none that is known
	udp          *udp                        // likewise
	otherUDP     map[string]*udp             // of these models instead
}

// dialects is the table of them; the first that fits counts.
var dialects = []*dialect{
	&quectelCat, &quectelNeul, &quectelNB, &quectelLTE,
	&ubloxCat, &ubloxN2, &ubloxN3,
	&simcomCat, &simcomGSM, &simcomLTE,
	&telitCat,
}

// standard is for modules that are not in the table.
var standard = dialect{name: "3GPP TS 27.007", reset: "+CFUN=1,1", login: cgauth}

func dialectOf(id *modem.Identity) *dialect {
	manufacturer, model := strings.ToUpper(id.Manufacturer), strings.ToUpper(id.Model)
	if manufacturer == "INCORPORATED" { // A76xx
		manufacturer = "SIMCOM"
	}
	for _, maker := range []string{"SIMCOM_", "QUECTEL_"} { // some modules put it there again
		model = strings.TrimPrefix(model, maker)
	}
	for _, d := range dialects {
		if !strings.HasPrefix(manufacturer, d.manufacturer) {
			continue
		}
		for _, m := range d.models {
			if strings.HasPrefix(model, m) {
				return d
			}
		}
		if len(d.models) == 0 {
			return d
		}
	}
	return &standard
}

// socketsOf returns how a model has UDP sockets, nil if it has none.
func (d *dialect) socketsOf(id *modem.Identity) *udp {
	model := strings.ToUpper(id.Model)
	for of, other := range d.otherUDP {
		if strings.Contains(model, of) {
			return other
		}
	}
	return d.udp
}

func (d *dialect) sleeps(line string) bool {
	for _, a := range d.asleep {
		if strings.HasPrefix(line, a) {
			return true
		}
	}
	return false
}

// cgauth says who a context is for (3GPP TS 27.007, clause 10.1.31).
func cgauth(cid int, p modem.Profile) (string, error) {
	user, password, err := loginParts(p)
	if err != nil || p.Login.Authentication == modem.AuthenticationNone {
		return fmt.Sprintf("+CGAUTH=%d,0", cid), err
	}
	return fmt.Sprintf("+CGAUTH=%d,%d,%s,%s", cid, p.Login.Authentication, user, password), nil
}

// loginParts quotes user and password.
func loginParts(p modem.Profile) (user, password string, err error) {
	if user, err = quote("the user name", p.Login.User); err == nil {
		password, err = quote("the password", string(p.Login.Password))
	}
	return user, password, err
}
