package agent

import (
	"fmt"
	"os/user"
	"slices"
	"strings"

	"lwm2m-agent/agent/apps"
	"lwm2m-agent/agent/bind"
	"lwm2m-agent/agent/config"
	"lwm2m-agent/agent/store"
)

// addApps makes the configuration's applications, with the objects that their
// programs registered before a restart.
func (a *Agent) addApps() error {
	a.apps = apps.New(apps.Config{
		Tree: a.tree, Definitions: a.registry, Store: a.store.Bucket(store.Apps), Health: a.health, Log: a.log, Now: a.opts.Now,
	})
	if err := a.checkApps(a.opts.Config); err != nil {
		return err
	}
	if err := a.apps.Apply(a.opts.Config.Apps); err != nil {
		return fmt.Errorf("applications: %w", err)
	}
	return nil
}

// checkApps finds applications that claim what the agent or one of the
// configuration's sensors and actuators has, before anything is applied.
func (a *Agent) checkApps(cfg *config.Config) error {
	problems := append(bind.Check(cfg, a.registry), checkClaims(cfg)...)
	if len(problems) == 0 {
		problems = a.apps.Check(cfg.Apps) // what sensors turned out to feed
	}
	if len(problems) > 0 {
		return problems
	}
	return nil
}

// ownObjects are the objects that the agent itself serves with a configuration,
// beyond those that no application can claim and those of sensors and actuators.
func ownObjects(cfg *config.Config) []uint16 {
	own := []uint16{12, 16, 19, 20, 500, 26241, 26242, 26244}
	if cfg.Firmware != nil {
		own = append(own, 26243)
	}
	if cfg.TestObject {
		own = append(own, 3442)
	}
	return own
}

// checkClaims finds, without an agent that runs, applications that claim what one
// would serve itself.
func checkClaims(cfg *config.Config) config.Problems {
	var problems config.Problems
	for i := range cfg.Apps {
		for _, oid := range cfg.Apps[i].Objects {
			if slices.Contains(ownObjects(cfg), oid) {
				problems = append(problems, cfg.Apps[i].Problem("objects", "%d is served by the agent itself; take it out", oid))
			}
		}
	}
	return problems
}

// checkApp looks whether the user of an application is there.
func checkApp(a *config.App) CheckRow {
	row := CheckRow{Part: "application", Name: a.Name, Where: "user " + a.User}
	if _, err := user.Lookup(a.User); err != nil && strings.Trim(a.User, "0123456789") != "" {
		row.Detail = fmt.Sprintf("there is no user %s; make one (useradd --system %s) or correct user in [[app]]", a.User, a.User)
		return row
	}
	row.OK, row.Detail = true, "may own objects "+strings.Trim(fmt.Sprint(a.Objects), "[]")
	return row
}
