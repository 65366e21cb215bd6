package mm

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/godbus/dbus/v5"
)

// The names of ModemManager.
const (
	service   = "org.freedesktop.ModemManager1"
	root      = dbus.ObjectPath("/org/freedesktop/ModemManager1")
	errorName = service + ".Error."

	ifaceModem     = service + ".Modem"
	iface3GPP      = ifaceModem + ".Modem3gpp"
	ifaceSignal    = ifaceModem + ".Signal"
	ifaceLocation  = ifaceModem + ".Location"
	ifaceMessaging = ifaceModem + ".Messaging"
	ifaceProfiles  = iface3GPP + ".ProfileManager"
	ifaceSIM       = service + ".Sim"
	ifaceBearer    = service + ".Bearer"
	ifaceSMS       = service + ".Sms"

	bus             = "org.freedesktop.DBus"
	objectManager   = bus + ".ObjectManager"
	busProperties   = bus + ".Properties"
	ownerChanged    = bus + ".NameOwnerChanged"
	added           = objectManager + ".InterfacesAdded"
	removed         = objectManager + ".InterfacesRemoved"
	changed         = busProperties + ".PropertiesChanged"
	messageAdded    = ifaceMessaging + ".Added"
	profilesUpdated = ifaceProfiles + ".Updated"
	answerTime      = 20 * time.Second // of what ModemManager answers from memory
	commandTime     = 2 * time.Minute  // of what it asks the modem, and that the network
	maxObjects      = 64               // whose properties are kept
	maxMessageSize  = 4096             // bytes of a binary message that are handed on
)

// object is what is known of an object: interface, property, value.
type object map[string]map[string]dbus.Variant

// get returns a property, or the zero value of its type if there is none of it.
func get[T any](o object, iface, property string) T {
	v, _ := o[iface][property].Value().(T)
	return v
}

// field returns an element of a dictionary, or zero.
func field[T any](d map[string]dbus.Variant, name string) T {
	v, _ := d[name].Value().(T)
	return v
}

// call asks ModemManager something. It is never started for that.
func call(ctx context.Context, conn *dbus.Conn, path dbus.ObjectPath, method string, limit time.Duration, args ...any) *dbus.Call {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	return conn.Object(service, path).CallWithContext(ctx, method, dbus.FlagNoAutoStart, args...)
}

// explain gives an error of ModemManager its remedy.
func explain(what string, err error) error {
	e, ok := errors.AsType[dbus.Error](err)
	if !ok {
		return fmt.Errorf("%s: %w", what, err)
	}
	text := e.Error()
	name, _ := strings.CutPrefix(e.Name, errorName)
	switch {
	case name == "Core.Unauthorized":
		return fmt.Errorf("%s: ModemManager does not let the agent: %s; a polkit rule has to allow it for the agent's user, as the package's 50-lwm2m-agent.rules does", what, text)
	case name == "Core.Unsupported":
		return fmt.Errorf("%s: ModemManager cannot with this modem: %s", what, text)
	case strings.HasSuffix(e.Name, ".UnknownMethod"), strings.HasSuffix(e.Name, ".UnknownInterface"), strings.HasSuffix(e.Name, ".UnknownObject"):
		return fmt.Errorf("%s: %w", what, ErrAbsent)
	}
	return fmt.Errorf("%s: %s (%s)", what, text, name)
}
