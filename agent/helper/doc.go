// Package helper is the root process that does for the agent, which is not root, what needs root: a
// handful of fixed verbs, each of which checks its arguments itself. Its socket unit starts it
// when it is needed, and it ends when it is not.
//
// It trusts nobody who asks: whoever is at the other end is known from the kernel, requests are
// bounded, and nothing in them is a path, a program or a variable. It must not know why something
// is asked for, or anything of LwM2M.
//
// A request is one line of JSON, answered by one line; then the connection is closed. A package
// of firmware comes with its request as an open file (SCM_RIGHTS, unix(7)). Who hangs up calls
// off what was asked for.
package helper

// Request asks for one thing.
type Request struct {
	Verb string `json:"verb"`
	LED  *LED   `json:"led,omitempty"`  // of VerbLED
	PWM  *PWM   `json:"pwm,omitempty"`  // of VerbPWM
	Slot *Slot  `json:"slot,omitempty"` // of VerbInstall, VerbActivate and VerbMark
}

// VerbPWM writes an attribute of a PWM channel of the kernel's, or has the kernel
// make the channel's files.
const VerbPWM = "pwm"

// PWM is an attribute and what to write to it.
type PWM struct {
	Chip      string `json:"chip"`      // below /sys/class/pwm: "pwmchip0"
	Channel   uint16 `json:"channel"`   // of the chip
	Attribute string `json:"attribute"` // "export", "period", "duty_cycle", "polarity" or "enable"
	Value     string `json:"value"`     // the channel; times in ns, "normal" or "inversed", "0" or "1"
}

// VerbLED writes an attribute of an LED of the kernel's LED class.
const VerbLED = "led"

// LED is an attribute and what to write to it.
type LED struct {
	Name      string `json:"name"`      // below /sys/class/leds
	Attribute string `json:"attribute"` // "brightness" or "trigger"
	Value     string `json:"value"`     // 0 to max_brightness; of a trigger "none"
}

// Answer says how it went.
type Answer struct {
	Error  string `json:"error,omitempty"`  // "": done
	Result int    `json:"result,omitempty"` // of a Verdict
	Slots  *Slots `json:"slots,omitempty"`  // of VerbSlots
	Text   string `json:"text,omitempty"`   // of VerbProbe
	Image  *Image `json:"image,omitempty"`  // of VerbInstall

	Untouched bool `json:"untouched,omitempty"` // of an Error: nothing was written to a slot
}

// Bounds of requests and answers, in bytes.
const (
	maxLine   = 4096
	maxAnswer = 64 << 10
)
