package at

import (
	"testing"
	"testing/synctest"

	"lwm2m-agent/modem"
)

// TestQuectelServing: the level that a cell is selected by, and that of coverage enhancement, are told in the forms that modules have, and by no other.
func TestQuectelServing(t *testing.T) {
	const cell = `+QENG: "servingcell","NOCONN","eMTC","FDD",262,01,1A2D003,193,6300,20,3,3,1A2B,-97,-11,-65,2`
	for name, c := range map[string]struct {
		mode, serving, celevel string
		srxlev, coverage       string
	}{
		"LTE-M":                {"eMTC", cell + ",32", `+QCFG: "celevel",1`, "32", "-"},
		"NB-IoT":               {"NBIoT", cell + ",-4", `+QCFG: "celevel",2`, "-4", "2"},
		"BG96":                 {"CAT-NB1", cell + ",32", `+QCFG: "celevel",0`, "32", "0"},
		"behind the power":     {"LTE", cell + ",12,-10,30", "", "30", "-"},
		"in a form of another": {"LTE", cell + ",30,12,-10,1", "", "-", "-"},
		"not known":            {"NBIoT", cell + ",-", `+QCFG: "celevel",255`, "-", "-"},
		"no cell":              {"NBIoT", `+QENG: "servingcell","SEARCH"`, "ERROR", "-", "-"},
		"no such command":      {"NBIoT", "ERROR", "ERROR", "-", "-"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				d := newDesk(t, "bg95", nil)
				d.look()
				d.sim.Set("AT+QCSQ", `+QCSQ: "`+c.mode+`",-65,-97,110,-11`, "OK")
				d.sim.Set(`AT+QENG="servingcell"`, c.serving, "OK")
				d.sim.Set(`AT+QCFG="celevel"`, c.celevel, "OK")
				if err := d.sim.Say(`+QIND: "csq",20,99`); err != nil {
					t.Fatal(err)
				}
				s, _ := d.look()
				if sig := &s.Signal; *sig.RSRP != -97 || shown(sig.Srxlev) != c.srxlev || shown(sig.Coverage) != c.coverage || s.Presence != modem.Ready {
					t.Errorf("%v, RSRP %s, Srxlev %s, coverage %s", s.Presence, shown(sig.RSRP), shown(sig.Srxlev), shown(sig.Coverage))
				}
			})
		})
	}
}
