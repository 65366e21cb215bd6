package agent

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"lwm2m-agent/agent/bind"
	"lwm2m-agent/agent/config"
	"lwm2m-agent/agent/keys"
	"lwm2m-agent/hw"
	"lwm2m-agent/lwm2m/client"
)

// CheckRow is what Check found about one part.
type CheckRow struct {
	Part   string `json:"part"` // "file", "sensor", "actuator", "server", "key", "application", "firmware", "modem", "location"
	Name   string `json:"name"`
	Where  string `json:"where"` // "/dev/i2c-1 0x76", a URI
	OK     bool   `json:"ok"`
	Detail string `json:"detail"` // the values read, or what is wrong and what to do
}

// checkTime bounds the check of one part.
const checkTime = 12 * time.Second

// Check reads a configuration and probes what it names: each sensor is read
// once, each actuator looked at, each server's name resolved and its route
// looked up. It changes nothing. An error that is a config.Problems is the configuration's.
func Check(ctx context.Context, path, stateDir string) ([]CheckRow, error) {
	if err := KeepMemory(); err != nil {
		return nil, err
	}
	cfg, err := Load(path, stateDir, "")
	if err != nil {
		return nil, err
	}
	known, err := definitions(cfg)
	if err != nil {
		return nil, err
	}
	if problems := append(bind.Check(cfg, known), checkClaims(cfg)...); len(problems) > 0 {
		return nil, problems
	}
	if problems := bind.Conflicts(cfg, hw.Options{}); len(problems) > 0 {
		return nil, problems
	}
	var rows []CheckRow
	for _, w := range slices.Concat(cfg.Warnings, cfg.Outdated(time.Now())) {
		rows = append(rows, CheckRow{Part: "configuration", Name: w.Key, Where: w.File, Detail: w.Text})
	}
	rows = append(rows, checkFiles(cfg, filepath.Dir(path))...)
	for i := range cfg.Servers {
		rows = append(rows, checkServer(ctx, ssid(cfg.Servers[i].ShortServerID), &cfg.Servers[i].Account))
		rows = append(rows, checkKey(cfg, ssid(cfg.Servers[i].ShortServerID), &cfg.Servers[i].Account)...)
	}
	if cfg.Bootstrap != nil {
		rows = append(rows, checkServer(ctx, "bootstrap", &cfg.Bootstrap.Account))
		rows = append(rows, checkKey(cfg, "bootstrap", &cfg.Bootstrap.Account)...)
	}
	for i := range cfg.Modems {
		rows = append(rows, checkModem(ctx, &cfg.Modems[i], cfg.Endpoint))
	}
	rows = append(rows, checkLocation(ctx, cfg)...)
	for i := range cfg.Apps {
		rows = append(rows, checkApp(&cfg.Apps[i]))
	}
	rows = append(rows, checkFirmware(ctx, cfg)...)
	if f := cfg.Firmware; f != nil {
		for i := range f.Hosts {
			rows = append(rows, checkKey(cfg, f.Hosts[i].Host, &f.Hosts[i].Account)...)
		}
	}
	return append(rows, probes(ctx, cfg, hw.Options{})...), nil
}

// probes reads each sensor once and looks at each actuator.
func probes(ctx context.Context, cfg *config.Config, opts hw.Options) []CheckRow {
	setup := bind.SetupOf(cfg)
	rows := make([]CheckRow, 0, len(setup.Sensors)+len(setup.Actuators))
	for i, c := range setup.Sensors {
		rows = append(rows, probe(ctx, hw.RoleSensor, c, cfg.Sensors[i].Section, opts))
	}
	for i, c := range setup.Actuators {
		rows = append(rows, probe(ctx, hw.RoleActuator, c, cfg.Actuators[i].Section, opts))
	}
	return rows
}

// checkServer looks whether there is a way to a server. Nothing is sent to it.
func checkServer(ctx context.Context, name string, s *config.Account) CheckRow {
	row := CheckRow{Part: "server", Name: name, Where: s.URI.String()}
	if s.Modem != "" {
		row.OK, row.Detail = true, fmt.Sprintf("by the sockets of modem %q, which resolves the name; not contacted", s.Modem)
		return row
	}
	ctx, cancel := context.WithTimeout(ctx, checkTime)
	defer cancel()
	addresses, err := net.DefaultResolver.LookupHost(ctx, s.URI.Hostname())
	if err != nil {
		row.Detail = fmt.Sprintf("the name does not resolve: %v; check the name, the network and the DNS servers", err)
		return row
	}
	row.Detail = "resolves to " + strings.Join(addresses, ", ")
	if s.Interface != "" {
		row.OK, row.Detail = true, row.Detail+"; not contacted"
		return row
	}
	if err := route(ctx, addresses, s.URI.Port()); err != nil {
		row.Detail += fmt.Sprintf(", and there is no way there: %v; check this device's network connection", err)
		return row
	}
	row.OK, row.Detail = true, row.Detail+"; there is a route, not contacted"
	return row
}

// route returns nil if the kernel has a route to one of the addresses.
func route(ctx context.Context, addresses []string, port string) error {
	var errs []error
	for _, address := range addresses {
		_, err := client.DefaultDialer{}.Local(ctx, client.Server{}, net.JoinHostPort(address, port))
		if err == nil {
			return nil
		}
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// checkKey looks whether a key can be used where it is held; no row for one that is read
// with the configuration.
func checkKey(cfg *config.Config, name string, s *config.Account) []CheckRow {
	if s.Held.Kind == "" {
		return nil
	}
	row := CheckRow{Part: "key", Name: name, Where: s.Held.String(), OK: true, Detail: "can be used"}
	if s.Held.Kind == keys.Credential && os.Getenv(keys.CredentialsVariable) == "" {
		row.Detail = "only the service has it, not tried: systemctl show -p LoadCredential -p LoadCredentialEncrypted lwm2m-agent"
		return []CheckRow{row}
	}
	holder := keys.Holder{Device: cfg.TPM.Device}
	var err error
	if s.Security == config.SecurityPSK {
		var psk []byte
		psk, err = holder.PSK(s.Held)
		clear(psk)
	} else {
		_, err = holder.Signer(s.Held)
	}
	if err != nil {
		row.OK, row.Detail = false, err.Error()
	}
	return []CheckRow{row}
}

// probe tries one sensor or actuator. What is wrong names the place of its section.
func probe(ctx context.Context, role hw.Role, c hw.Config, section config.Section, opts hw.Options) CheckRow {
	row := CheckRow{Part: role.String(), Name: c.Name, Where: c.Where()}
	ctx, cancel := context.WithTimeout(ctx, checkTime)
	defer cancel()
	readings, err := hw.Probe(ctx, role, c, opts)
	if err != nil {
		_, text, _ := strings.Cut(err.Error(), fmt.Sprintf("%s %q: ", role, c.Name)) // which the problem says too
		row.Detail = section.Problem("", "%s", text).Error()
		return row
	}
	row.OK = true
	var values []string
	for _, r := range readings {
		values = append(values, r.Channel+" "+r.Value.String())
	}
	row.Detail = strings.Join(values, ", ")
	return row
}
