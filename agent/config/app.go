package config

import (
	"fmt"
	"slices"
	"strings"
)

// App is one [[app]]: a local program that may own objects.
type App struct {
	Section
	Name    string
	User    string   // of the operating system: whoever runs the program
	Objects []uint16 // in order, each once
}

// The bounds of applications.
const (
	maxApps       = 16
	maxAppObjects = 32
	// firstAppObject is above the objects that LwM2M itself is made of: 0 to 7
	// rule the device and who may manage it.
	firstAppObject = 8
)

// credentialObjects are OSCORE and COSE: the keys that they hold would
// open the device to whoever owns them (Core, appendix E).
var credentialObjects = []uint16{21, 23}

var appSection = section{
	name: "app", identity: "name", help: "A local program that may own objects; docs/applications.md says how.",
	keys: []key{
		{name: "name", kind: appName, required: true, help: "unique; the program's name in the control interface"},
		{name: "user", kind: text(32), required: true, help: "user of the operating system who runs the program: a name or a number"},
		{name: "objects", kind: objectList, required: true, help: "objects that the program may own; each belongs to one application, and none to the agent itself"},
	},
}

// appName takes what can stand in a URI path as it is.
var appName = kind{`1 to 64 letters, digits, "-", "_" and ".", beginning with a letter or digit`, func(v any) (any, bool) {
	s, _ := v.(string)
	foreign := func(r rune) bool { return !letterOrDigit(r) && !strings.ContainsRune("-_.", r) }
	return s, s != "" && len(s) <= 64 && letterOrDigit(rune(s[0])) && !strings.ContainsFunc(s, foreign)
}}

func letterOrDigit(r rune) bool {
	return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9'
}

// objectList takes a list of object numbers and returns them in order.
var objectList = kind{
	fmt.Sprintf("a list of 1 to %d object numbers from %d to %d without 21 and 23, each once", maxAppObjects, firstAppObject, maxID),
	func(v any) (any, bool) {
		list, _ := v.([]any)
		var oids []uint16
		for _, element := range list {
			n, ok := element.(int64)
			if !ok || n < firstAppObject || n > maxID || slices.Contains(credentialObjects, uint16(n)) {
				return nil, false
			}
			oids = append(oids, uint16(n))
		}
		slices.Sort(oids)
		once := slices.Compact(slices.Clone(oids))
		return oids, len(oids) > 0 && len(oids) <= maxAppObjects && len(once) == len(oids)
	},
}

// apps reads the applications, and reports objects that two of them claim.
func (b *builder) apps(root *node) {
	title := schema.section("app").title
	owners := make(map[uint16]Section)
	for i, n := range elements(root, "app") {
		a := App{
			Section: Section{n, title(n)},
			Name:    get(n, "name", ""), User: get(n, "user", ""), Objects: get(n, "objects", []uint16(nil)),
		}
		if i == maxApps {
			b.problems = append(b.problems, a.Problem("", "more than %d applications; put some together", maxApps))
		}
		for _, oid := range a.Objects {
			if other, taken := owners[oid]; taken {
				b.problems = append(b.problems, a.Problem("objects", "%d belongs to %s already, %s; give each object to one application", oid, other.title, other.where()))
				continue
			}
			owners[oid] = a.Section
		}
		b.cfg.Apps = append(b.cfg.Apps, a)
	}
}
