package agent

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"log/slog"
	"reflect"
	"slices"
	"strings"

	"lwm2m-agent/agent/health"
	"lwm2m-agent/agent/store"
	"lwm2m-agent/host"
)

// What is kept about the name of this device.
const (
	keyEndpoint = "endpoint" // the name that was chosen
	keyMachine  = "machine"  // of which machine the state directory is
)

// applicationID makes identifiers of this machine that are the agent's own.
var applicationID = [16]byte{
	0x6c, 0x77, 0x4d, 0x32, 0x4d, 0x9a, 0x4e, 0x1f, 0x8b, 0x0c, 0x5d, 0x61, 0xe3, 0x27, 0xf4, 0x90,
}

// machine is what tells one machine from another.
type machine struct {
	MACs     []string `json:"macs,omitempty"` // of its own interfaces, the one that names it first
	Serial   string   `json:"serial,omitempty"`
	ID       string   `json:"id,omitempty"`       // made of its machine ID, which a copied image copies
	Endpoint string   `json:"endpoint,omitempty"` // that the configuration gave it
}

// found is what is read of this machine when the agent starts.
type found struct {
	identity   host.Identity
	machineID  string // made of it; there are machines without one
	network    host.Network
	networkErr error
}

func lookAround(root fs.FS) *found {
	f := found{identity: host.ReadIdentity(root)}
	f.machineID, _ = host.MachineID(root, applicationID)
	f.network, f.networkErr = host.ReadNetwork(root)
	return &f
}

func (f *found) machine() machine {
	m := machine{Serial: f.identity.Serial, ID: f.machineID}
	for _, mac := range f.network.PermanentMACs() {
		m.MACs = append(m.MACs, fmt.Sprintf("%02x%02x%02xfffe%02x%02x%02x", mac[0], mac[1], mac[2], mac[3], mac[4], mac[5]))
	}
	return m
}

// copied reports whether a state directory of another machine has come here: no interface and no
// serial number is one of those that there were. A new interface beside a serial number that stayed is
// a repair, and what cannot be read proves nothing.
func (m *machine) copied(here *machine) bool {
	if m.Serial != "" && here.Serial != "" {
		return m.Serial != here.Serial
	}
	if len(m.MACs) == 0 || len(here.MACs) == 0 {
		return false
	}
	return !slices.ContainsFunc(here.MACs, func(mac string) bool { return slices.Contains(m.MACs, mac) })
}

// endpoint returns a name as RFC 9039 writes device identifiers, "" if there is nothing to make one
// of. The interface comes before the serial number, which not every user of a machine may read, and
// makers forget to set.
func (m *machine) endpoint() string {
	switch {
	case len(m.MACs) > 0:
		return "urn:dev:mac:" + m.MACs[0]
	case m.Serial != "" && strings.Trim(m.Serial, serialLetters) == "":
		return "urn:dev:os:32473-" + m.Serial
	case m.ID != "":
		return "urn:dev:os:32473-" + m.ID
	}
	return ""
}

// serialLetters are those of a serial number that can stand in a name.
const serialLetters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-"

// Names returns what this machine can be called by, for provision.Maker.
func Names() map[string]string { return namesOf(host.Root()) }

func namesOf(root fs.FS) map[string]string {
	m := lookAround(root).machine()
	names := map[string]string{"serial": m.Serial, "machine-id": m.ID, "endpoint": m.endpoint()}
	if len(m.MACs) > 0 {
		names["mac"] = m.MACs[0]
	}
	return names
}

// chooseEndpoint returns the configured endpoint name, else the one chosen
// before, else one made of what this machine is, which is kept. A name that was chosen on another
// machine is not kept: two devices of one name take each other's place at the server. Only a new name
// needs a disk that can be written.
func (a *Agent) chooseEndpoint(n *found) (string, error) {
	here := n.machine()
	here.Endpoint = a.opts.Config.Endpoint
	bucket := a.store.Bucket(store.Meta)
	kept, err := bucket.Load(keyEndpoint)
	if err != nil {
		return "", fmt.Errorf("read the endpoint name: %w", err)
	}
	was, err := a.machineBefore(&here)
	if err != nil {
		return "", err
	}
	changes := make(map[string][]byte)
	name := here.Endpoint
	copied := was.copied(&here) && (name == "" || name == was.Endpoint)
	if copied {
		a.log.Warn("the state directory was made on another machine", slog.Any("there", was.MACs), slog.String("serial", was.Serial))
		a.health.Set(health.StateCopied, "", "")
	}
	if name == "" {
		if name = string(kept); name == "" || copied {
			if name = here.endpoint(); name == "" {
				return "", fmt.Errorf("this machine has neither a MAC address nor a serial number nor a machine ID to be named by; set endpoint in the configuration: %w", host.ErrNoMachineID)
			}
			changes[keyEndpoint] = []byte(name)
		}
	} else if copied {
		return name, nil // until the configuration has another one
	}
	if !reflect.DeepEqual(was, &here) {
		if changes[keyMachine], err = json.Marshal(&here); err != nil {
			return "", fmt.Errorf("keep which machine this is: %w", err)
		}
	}
	if len(changes) == 0 {
		return name, nil
	}
	if err := bucket.SaveAll(changes); err != nil {
		if changes[keyEndpoint] != nil {
			return "", fmt.Errorf("keep the endpoint name: %w; see that the state directory can be written, or give another one with -state DIR", err)
		}
		a.log.Warn("which machine this is is not kept; the next start tries again", slog.Any("error", err))
	}
	return name, nil
}

// machineBefore returns on which machine the state directory was used last. What cannot be read here
// now is taken to be as it was.
func (a *Agent) machineBefore(here *machine) (*machine, error) {
	record, err := a.store.Bucket(store.Meta).Load(keyMachine)
	if err != nil {
		return nil, fmt.Errorf("read which machine this is: %w", err)
	}
	was := new(machine)
	if record != nil {
		if err := json.Unmarshal(record, was); err != nil {
			a.log.Warn("which machine this was is not known", slog.Any("error", err))
		}
	}
	if len(here.MACs) == 0 {
		here.MACs = was.MACs
	}
	if here.Serial == "" {
		here.Serial = was.Serial
	}
	if here.ID == "" {
		here.ID = was.ID
	}
	return was, nil
}
