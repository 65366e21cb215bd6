package helper

import (
	"errors"
	"fmt"
	"path/filepath"
	"strconv"
	"strings"
)

// maxPeriod is the longest period of a PWM channel, in ns: that of 0.01 Hz.
const maxPeriod = 100_000_000_000

// writePWM writes to a PWM chip or one of its channels
// (Documentation/ABI/testing/sysfs-class-pwm).
func writePWM(o *Options, r *Request) error {
	pwm := r.PWM
	if pwm == nil || !chipName(pwm.Chip) {
		return errors.New("the name of a PWM chip is needed, such as pwmchip0")
	}
	folder, err := o.device("class/pwm", pwm.Chip)
	if err != nil {
		return err
	}
	channels, err := readUint(filepath.Join(folder, "npwm"))
	if err != nil {
		return errors.New("it does not say how many channels it has")
	}
	if uint64(pwm.Channel) >= channels {
		return fmt.Errorf("%s has %d channels, and no %d", pwm.Chip, channels, pwm.Channel)
	}
	number := strconv.FormatUint(uint64(pwm.Channel), 10)
	n, err := strconv.ParseUint(pwm.Value, 10, 64)
	fits := map[string]bool{
		"export": pwm.Value == number, "enable": pwm.Value == "0" || pwm.Value == "1",
		"polarity": pwm.Value == "normal" || pwm.Value == "inversed",
		"period":   err == nil && n <= maxPeriod, "duty_cycle": err == nil && n <= maxPeriod,
	}
	ok, known := fits[pwm.Attribute]
	switch {
	case !known:
		return fmt.Errorf("there is no attribute %.20q", pwm.Attribute)
	case !ok:
		return fmt.Errorf("%.20q is no value of %s", pwm.Value, pwm.Attribute)
	case pwm.Attribute == "export":
		return write(filepath.Join(folder, "export"), pwm.Value)
	}
	return write(filepath.Join(folder, "pwm"+number, pwm.Attribute), pwm.Value)
}

// chipName reports whether a name is that of a PWM chip.
func chipName(name string) bool {
	digits, ok := strings.CutPrefix(name, "pwmchip")
	_, err := strconv.ParseUint(digits, 10, 16)
	return ok && err == nil
}
