package config

// erased stands for a secret of a former overlay that is not in force any more, and is kept nowhere.
const erased = "*** (erased)"

// Undo returns an overlay that was replaced, to go back to: its secrets as *** where the one that replaced it leaves them
// in force, and otherwise marked so that Draft refuses it. What cannot be read is not returned.
func (f Files) Undo(former, overlay string) string {
	var c checker
	n := c.source(&source{file: OverlayName, text: former})
	if len(c.problems) > 0 {
		return ""
	}
	var active *node
	if d, err := f.drafter(overlay); err == nil {
		active = d.active
	}
	forget(&schema, n, active)
	return render(&schema, n, false)
}

// forget marks the secrets of a table that are not those in force at their places.
func forget(s *section, n, active *node) {
	if n == nil {
		return
	}
	for name, c := range n.table {
		if k := s.key(name); k != nil {
			held, _ := valueOf(active, name).(Secret)
			if was, secret := c.value.(Secret); secret && !was.Equal(held) {
				c.value, c.raw = erased, erased
			}
			continue
		}
		sub := s.section(name)
		if sub.identity == "" {
			forget(sub, c, active.at(name))
			continue
		}
		for _, e := range c.list {
			forget(sub, e, active.at(name).element(sub, valueOf(e, sub.identity)))
		}
	}
}
