package at

import (
	"fmt"

	"lwm2m-agent/modem"
)

// telitCat are modules for LTE-M and NB-IoT (Telit ME910C1/NE910C1/ML865C1 and ME310G1/ME910G1/ML865G1 AT Commands
// Reference Guides).
var telitCat = dialect{
	name: "Telit ME910, ME310, ML865, NE910", manufacturer: "TELIT", models: []string{"ME910", "ME310", "ML865", "NE910"},
	setup:        []string{"#PSMURC=1"}, // told when power saving begins, with its timers
	reset:        "#REBOOT",
	technologies: map[int]modem.Technology{7: modem.LTEM, 8: modem.LTEM, 9: modem.NBIoT},
	login:        telitLogin, asleep: []string{"#PSMURC:"},
}

// telitLogin is AT#PDPAUTH=<cid>,<auth_type>[,<username>,<password>].
func telitLogin(cid int, p modem.Profile) (string, error) {
	user, password, err := loginParts(p)
	if err != nil || p.Login.Authentication == modem.AuthenticationNone {
		return fmt.Sprintf("#PDPAUTH=%d,0", cid), err
	}
	return fmt.Sprintf("#PDPAUTH=%d,%d,%s,%s", cid, p.Login.Authentication, user, password), nil
}
