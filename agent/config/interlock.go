package config

import "math"

// interlockSection says when an output must be in its safe state.
var interlockSection = section{
	name: "interlock", identity: "input",
	help: "When the output must be in its safe state: while the input says so, fails, is doubtful or was not heard of yet. It then takes that state at once, " +
		"whether a server is there or not, and servers cannot set another (4.05); afterwards it stays until it is set again.",
	keys: []key{
		{name: "input", kind: anyText, required: true, help: `"sensor/channel", "sensor/channel alarm", or the name of a derived sensor; as it is after processing`},
		{name: "while", kind: oneOf("on", "off"), fallback: `"on"`, help: "of a state: what it is while the output must be safe"},
		{name: "above", kind: anyNumber, help: "of a number: above, the output must be safe"},
		{name: "below", kind: anyNumber, help: "of a number: below, the output must be safe"},
		{name: "hysteresis", kind: number(0, math.MaxFloat64), fallback: "0", help: "how far a number must come back"},
	},
}

// interlocks returns those of an actuator.
func interlocks(actuator *node, title string) []Interlock {
	nodes := elements(actuator, "interlock")
	list := make([]Interlock, 0, len(nodes))
	for _, n := range nodes {
		list = append(list, Interlock{
			Section: Section{n, within(title, interlockSection.title(n))},
			Input:   get(n, "input", ""), Off: get(n, "while", "on") == "off",
			Above: limit(n, "above"), Below: limit(n, "below"), Hysteresis: get(n, "hysteresis", 0.0),
		})
	}
	return list
}
