package at

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// others are what the commands of modules have in them that are for an LwM2M client or an update of their own: u-blox AT+ULWM2M…,
// AT+UFWUPD, AT+UFWINSTALL; Quectel AT+QLWM2M…, AT+QIOTREG, AT+QFOTADL, AT+QDMP; SIMCom AT+MIPL…, AT+CFOTA; Telit AT#LWM2M…, AT#OTAUP, AT#FOTAURC; Nordic AT#XCARRIER, AT#XFOTA;
// Sequans AT+SQNSUPGRADE; Huawei's chips AT+NCDP, AT+NMGS, AT+NFWUPD.
var others = []string{"LWM2M", "MIPL", "FOTA", "OTAUP", "FWUP", "FWINSTALL", "UPGRADE", "QDMP", "QIOTREG", "XCARRIER", "NCDP", "NMGS"}

// TestNoCommandForOthers: no command of this package is for a carrier's own client in the module, or for its update.
func TestNoCommandForOthers(t *testing.T) {
	files, err := filepath.Glob("*.go")
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	commands := 0
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(file, func(n ast.Node) bool {
			if _, ok := n.(*ast.ImportSpec); ok {
				return false
			}
			literal, ok := n.(*ast.BasicLit)
			if !ok || literal.Kind != token.STRING || literal.Value == `"lwm2m-agent"` {
				return true
			}
			if strings.HasPrefix(strings.Trim(literal.Value, "\"`"), "+") {
				commands++
			}
			if i := slices.IndexFunc(others, func(o string) bool { return strings.Contains(strings.ToUpper(literal.Value), o) }); i >= 0 {
				t.Errorf("%s: %s is for another client (%s)", name, literal.Value, others[i])
			}
			return true
		})
	}
	if commands < 100 {
		t.Errorf("%d commands were looked at", commands)
	}
}

// TestCarriersClientSpeaks: what a carrier's own client in the module says while it registers and updates the module is no news, and brings
// about no command.
func TestCarriersClientSpeaks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDesk(t, "bg95", nil)
		d.look()
		before := len(d.sim.Commands())
		if err := d.sim.Say(
			"+ULWM2MSTAT: 1,102,3", `+QLWURC: "ready"`, `+QLWURC: "observe",1,0,1,3,0,9`, "+MIPLEVENT: 0,6", "#LWM2MRING: 0,1,0", "#XCARRIEREVT: 5,0", `%LWM2MOPEV: 2,102`,
			`+QIND: "FOTA","HTTPSTART"`, `+QIND: "FOTA","UPDATING",50`, "+UUFWINSTALL: 50", "#OTAEV: 0",
		); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		if _, parts := d.look(); parts != 0 {
			t.Errorf("it has changed %b", parts)
		}
		if sent := d.sim.Commands()[before:]; len(sent) > 0 {
			t.Errorf("sent %q", sent)
		}
	})
}
