package helper

import (
	"errors"
	"fmt"
	"path/filepath"
	"strconv"
	"strings"
)

// ledName reports whether a name can be that of a device: no path, nothing hidden.
func ledName(name string) bool {
	const others = ":-_. "
	foreign := func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && !strings.ContainsRune(others, r)
	}
	return name != "" && len(name) <= 64 && name[0] != '.' && !strings.ContainsFunc(name, foreign)
}

// writeLED writes to an LED (Documentation/leds/leds-class.rst).
func writeLED(o *Options, r *Request) error {
	led := r.LED
	if led == nil || !ledName(led.Name) {
		return errors.New("the name of an LED is needed")
	}
	folder, err := o.device("class/leds", led.Name)
	if err != nil {
		return err
	}
	switch led.Attribute {
	case "trigger":
		if led.Value != "none" {
			return errors.New(`a trigger can be set to "none" only`)
		}
	case "brightness":
		if err := brightness(folder, led.Value); err != nil {
			return err
		}
	default:
		return fmt.Errorf("there is no attribute %.20q", led.Attribute)
	}
	return write(filepath.Join(folder, led.Attribute), led.Value)
}

// brightness checks a brightness.
func brightness(folder, value string) error {
	most, err := readUint(filepath.Join(folder, "max_brightness"))
	if err != nil {
		return errors.New("it does not say how bright it can be")
	}
	if n, err := strconv.ParseUint(value, 10, 31); err != nil || n > most {
		return fmt.Errorf("%.20q is no brightness from 0 to %d", value, most)
	}
	return nil
}
