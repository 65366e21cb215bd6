package config

import (
	"fmt"
	"strings"
)

// driver checks that the driver of a section is there and takes its keys.
func (b *builder) driver(s Section, name, role string, fits func(Driver) bool) {
	if b.opts.Drivers == nil || name == "" {
		return
	}
	d, ok := b.opts.Drivers[name]
	if !ok || !fits(d) {
		b.problems = append(b.problems, s.Problem("driver", "%q is no %s driver; %sallowed: %s", name, role,
			suggestion(name, driverNames(b.opts.Drivers, fits)), strings.Join(driverNames(b.opts.Drivers, fits), ", ")))
		return
	}
	takes := make(map[string]bool)
	for _, key := range d.Required {
		takes[key] = true
		if s.node.table[key] == nil {
			b.problems = append(b.problems, s.Problem("", "%s is missing; driver %s needs it", key, name))
		}
	}
	for _, key := range d.Optional {
		takes[key] = true
	}
	for _, k := range deviceKeys {
		if k.driver && s.node.table[k.name] != nil && !takes[k.name] {
			b.problems = append(b.problems, s.Problem(k.name, "driver %s does not take it; allowed: %s", name,
				strings.Join(append(append([]string{}, d.Required...), d.Optional...), ", ")))
		}
	}
}

// uniqueness remembers who uses which address and line.
type uniqueness struct{ users map[string]Section }

// unique reports a section that uses an address or line which another one uses;
// shared parts have several at one address.
func (u *uniqueness) check(b *builder, s Section, set Settings, shared bool) {
	if u.users == nil {
		u.users = make(map[string]Section)
	}
	var key, what string
	switch {
	case set.Bus != "" && set.Address != 0 && shared: // who has what of it is the driver's affair
		return
	case set.Bus != "" && set.Address != 0:
		key, what = "address", fmt.Sprintf("%#02x on %s", set.Address, set.Bus)
	case set.Chip != "" && set.Line.Given:
		name := set.Line.Name
		if name == "" {
			name = fmt.Sprint(set.Line.Offset)
		}
		key, what = "line", fmt.Sprintf("%s of %s", name, strings.TrimPrefix(set.Chip, "/dev/"))
	default:
		return
	}
	other, taken := u.users[what]
	if !taken {
		u.users[what] = s
		return
	}
	b.problems = append(b.problems, s.Problem(key, "%s is used by %s already, %s; give each its own", what, other.title, other.where()))
}
