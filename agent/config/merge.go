package config

// alternatives are keys that say the same in different ways: the later source
// decides which of them counts.
var alternatives = [][]string{{"key", "key_file"}}

// merge lays a later source over a former one: tables by key, lists of tables by
// what tells them apart, values replaced. Both have been checked against s.
func merge(s *section, base, over *node) {
	for _, group := range alternatives {
		mergeAlternatives(group, base, over)
	}
	for name, n := range over.table {
		old, there := base.table[name]
		sub := s.section(name)
		switch {
		case !there || sub == nil || old.bad || n.bad:
			base.table[name] = n
		case sub.identity == "":
			merge(sub, old, n)
		default:
			mergeList(sub, old, n)
		}
	}
}

func mergeAlternatives(group []string, base, over *node) {
	given := false
	for _, name := range group {
		given = given || over.table[name] != nil
	}
	for _, name := range group {
		if given {
			delete(base.table, name)
		}
	}
}

func mergeList(s *section, base, over *node) {
	byID := make(map[any]*node, len(base.list))
	for _, n := range base.list {
		byID[n.table[s.identity].value] = n
	}
	for _, n := range over.list {
		if old := byID[n.table[s.identity].value]; old != nil {
			merge(s, old, n)
		} else {
			base.list = append(base.list, n)
		}
	}
}
