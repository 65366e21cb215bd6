package client

import (
	"slices"
	"time"

	"lwm2m-agent/lwm2m"
	"lwm2m-agent/lwm2m/model"
)

// stageCheck looks whether what is staged can be used.
type stageCheck struct {
	stage   *model.Stage
	present lwm2m.Path         // the bootstrap account in use
	usable  func(Server) error // whether a server could be dialled
}

// newStageCheck returns the check that a Dialer makes, if it does.
func newStageCheck(s *model.Stage, present lwm2m.Path, d Dialer) *stageCheck {
	c := &stageCheck{s, present, DefaultDialer{}.Check}
	if own, ok := d.(interface{ Check(to Server) error }); ok {
		c.usable = own.Check
	}
	return c
}

// run refuses with 4.06 accounts that do not fit together (Core, section 6.1.2): there is at
// least one server account, each a pair of instances of objects 0 and 1 with one Short
// Server ID; what the bootstrap server wrote of it can be used; and there is at most one
// bootstrap account. A new bootstrap account takes the place of the one in use.
func (c *stageCheck) run() error {
	s := c.stage
	securities := make(map[uint16]instance)
	var bootstraps []lwm2m.Path
	for _, iid := range s.Instances(objectSecurity) {
		at := lwm2m.NewPath(objectSecurity, iid)
		in := stagedInstance(s, at)
		if in.values[securityBootstrap].Bool() {
			bootstraps = append(bootstraps, at)
			continue
		}
		if err := enter(securities, at, in, securityShortID); err != nil {
			return err
		}
	}
	if err := c.bootstrapAccounts(bootstraps); err != nil {
		return err
	}
	servers := make(map[uint16]instance)
	for _, iid := range s.Instances(objectServer) {
		at := lwm2m.NewPath(objectServer, iid)
		if err := enter(servers, at, stagedInstance(s, at), serverShortID); err != nil {
			return err
		}
	}
	if len(servers) == 0 {
		return inconsistent("there is no server account")
	}
	return c.pairs(securities, servers)
}

// credentials checks those of an account that the bootstrap server wrote; what it left alone
// is the configuration's.
func (c *stageCheck) credentials(ssid uint16, security instance) error {
	if !c.stage.Touched(lwm2m.NewPath(objectSecurity, security.id)) {
		return nil
	}
	if err := c.usable(newSettings(ssid, security, instance{}).server); err != nil {
		return inconsistent("/0/%d: %w", security.id, err)
	}
	return nil
}

func inconsistent(format string, args ...any) error {
	return lwm2m.Errorf(lwm2m.NotAcceptable, format, args...)
}

// enter enters an instance by its Short Server ID.
func enter(all map[uint16]instance, at lwm2m.Path, in instance, rid uint16) error {
	ssid := in.shortID(rid)
	if ssid == 0 {
		return inconsistent("%s has no Short Server ID from 1 to 65534", at)
	}
	if other, dup := all[ssid]; dup {
		return inconsistent("%s and instance %d have the same Short Server ID", at, other.id)
	}
	all[ssid] = in
	return nil
}

func (c *stageCheck) pairs(securities, servers map[uint16]instance) error {
	for ssid, security := range securities {
		if _, ok := servers[ssid]; !ok {
			return inconsistent("/0/%d: no instance of object 1 has its Short Server ID %d", security.id, ssid)
		}
		if err := c.credentials(ssid, security); err != nil {
			return err
		}
	}
	for ssid, server := range servers {
		if _, ok := securities[ssid]; !ok {
			return inconsistent("/1/%d: no instance of object 0 has its Short Server ID %d", server.id, ssid)
		}
	}
	return nil
}

// bootstrapAccounts takes away the one in use if there is another one.
func (c *stageCheck) bootstrapAccounts(all []lwm2m.Path) error {
	if i := slices.Index(all, c.present); len(all) == 2 && i >= 0 && !c.stage.Touched(c.present) {
		c.stage.Purge(c.present)
		all = slices.Delete(all, i, i+1)
	}
	if len(all) > 1 {
		return inconsistent("there are %d bootstrap accounts: %s and %s", len(all), all[0], all[1])
	}
	for _, at := range all {
		if err := c.credentials(0, stagedInstance(c.stage, at)); err != nil {
			return err
		}
	}
	return nil
}

// stagedInstance returns an instance of object 0 or 1 as it will be.
func stagedInstance(s *model.Stage, at lwm2m.Path) instance {
	return newInstance(at.Instance(), s.Nodes(at))
}

// stampStaged notes when the bootstrap server wrote accounts (/1/x/12, Last Bootstrapped), and
// returns the Short Server IDs of those.
func stampStaged(s *model.Stage, now time.Time) map[uint16]bool {
	written := make(map[uint16]bool)
	touched := make(map[uint16]bool)
	for _, iid := range s.Instances(objectSecurity) {
		at := lwm2m.NewPath(objectSecurity, iid)
		touched[stagedInstance(s, at).shortID(securityShortID)] = s.Touched(at)
	}
	for _, iid := range s.Instances(objectServer) {
		at := lwm2m.NewPath(objectServer, iid)
		if ssid := stagedInstance(s, at).shortID(serverShortID); s.Touched(at) || touched[ssid] {
			s.Set(at.Child(serverLastBootstrapped), lwm2m.Time(now))
			written[ssid] = true
		}
	}
	return written
}
