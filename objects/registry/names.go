package registry

import (
	"cmp"
	"fmt"
	"slices"
	"sort"
	"strconv"
	"strings"
	"unicode"

	"lwm2m-agent/lwm2m/model"
)

// How names stand for objects and resources:
//
// A key is a registered name in lower case, with a hyphen for each run of what
// is neither letter nor digit: "On/Off" is on-off. Where two objects, or two
// resources of one object, have the same name, the one with the lower identifier
// has the key and the others append their identifier: location and
// location-3336.
//
// A name, brought to the same form, stands for what has it as its key; else for
// the key that begins or ends with the name's words. If there are several, the
// one with the fewest words is meant; if there are several of these, the name is
// refused as ambiguous.

// key returns a registered name in the form it has in paths.
func key(name string) string {
	var b strings.Builder
	gap := false
	for _, c := range name {
		if !unicode.IsLetter(c) && !unicode.IsDigit(c) {
			gap = true
			continue
		}
		if gap && b.Len() > 0 {
			b.WriteByte('-')
		}
		gap = false
		b.WriteRune(unicode.ToLower(c))
	}
	return strings.TrimPrefix(b.String(), "lwm2m-")
}

// unique returns the key of a name among those taken before.
func unique(name string, id uint16, taken map[string]bool) string {
	k := key(name)
	if taken[k] {
		k += "-" + strconv.Itoa(int(id))
	}
	taken[k] = true
	return k
}

// makeKeys returns the keys of the objects by their position in the table.
func (r *Registry) makeKeys() []string {
	keys, taken := make([]string, r.table.Len()), make(map[string]bool, r.table.Len())
	for position := range keys {
		if r.newest(position) {
			oid, _ := r.table.Entry(position)
			keys[position] = unique(r.table.Name(position), oid, taken)
		}
	}
	return keys
}

// resourceKeys returns the keys of an object's resources, in their order.
func resourceKeys(def *model.Definition) []string {
	keys, taken := make([]string, len(def.Resources)), make(map[string]bool, len(def.Resources))
	for i := range def.Resources {
		keys[i] = unique(def.Resources[i].Name, def.Resources[i].ID, taken)
	}
	return keys
}

// ByName returns the newest definition of the object that a name stands for. The
// error lists names that are near.
func (r *Registry) ByName(name string) (*model.Definition, error) {
	keys := slices.Concat(r.keys(), r.ownKeys())
	own := func(i int) *model.Definition {
		if i -= r.table.Len(); i >= 0 {
			return r.own[i]
		}
		return nil
	}
	position, err := find(name, "object", keys, func(i int) uint16 {
		if d := own(i); d != nil {
			return d.ID
		}
		oid, _ := r.table.Entry(i)
		return oid
	})
	if err != nil {
		return nil, err
	}
	if d := own(position); d != nil {
		return d, nil
	}
	return r.at(position), nil
}

// Resource returns the resource of an object that a name, or a number, stands
// for. The error lists names that are near.
func Resource(def *model.Definition, name string) (*model.ResourceDefinition, error) {
	if rid, err := strconv.ParseUint(name, 10, 16); err == nil {
		if r := def.Resource(uint16(rid)); r != nil {
			return r, nil
		}
		return nil, fmt.Errorf("object %d (%s) has no resource %d", def.ID, def.Name, rid)
	}
	what := fmt.Sprintf("resource of object %d (%s)", def.ID, def.Name)
	i, err := find(name, what, resourceKeys(def), func(i int) uint16 { return def.Resources[i].ID })
	if err != nil {
		return nil, err
	}
	return &def.Resources[i], nil
}

// find returns the position of the key that a name stands for. Empty keys stand
// for nothing.
func find(name, what string, keys []string, id func(int) uint16) (int, error) {
	wanted := key(name)
	if i := slices.Index(keys, wanted); i >= 0 && wanted != "" {
		return i, nil
	}
	var best []int
	for i, k := range keys {
		if wanted == "" || !strings.HasPrefix(k, wanted+"-") && !strings.HasSuffix(k, "-"+wanted) {
			continue
		}
		if len(best) > 0 {
			if c := cmp.Compare(words(k), words(keys[best[0]])); c > 0 {
				continue
			} else if c < 0 {
				best = best[:0]
			}
		}
		best = append(best, i)
	}
	switch len(best) {
	case 1:
		return best[0], nil
	case 0:
		return 0, fmt.Errorf("no %s is called %q%s", what, name, list("; near: ", near(wanted, keys), keys, id))
	}
	return 0, fmt.Errorf("%q may be more than one %s: %s", name, what, list("", best, keys, id))
}

// words counts the words of a key.
func words(key string) int { return strings.Count(key, "-") + 1 }

const (
	mostNear    = 8  // names that an error lists
	longestNear = 64 // bytes of a name for which near ones are looked for
)

// list names the keys at some positions, with their identifiers.
func list(introduction string, positions []int, keys []string, id func(int) uint16) string {
	var texts []string
	for _, i := range positions[:min(len(positions), mostNear)] {
		texts = append(texts, fmt.Sprintf("%s (%d)", keys[i], id(i)))
	}
	if len(positions) > mostNear {
		texts = append(texts, "…")
	}
	if len(texts) == 0 {
		return ""
	}
	return introduction + strings.Join(texts, ", ")
}

// near returns the positions of keys that may have been meant, the nearest
// first: at most two letters different from the name or from one of the key's
// words.
func near(wanted string, keys []string) []int {
	if wanted == "" || len(wanted) > longestNear {
		return nil
	}
	type candidate struct{ position, distance int }
	var candidates []candidate
	for i, k := range keys {
		if k == "" {
			continue
		}
		d := distance(wanted, k)
		for word := range strings.SplitSeq(k, "-") {
			if len(word) > 3 {
				d = min(d, distance(wanted, word)+1) // a whole key that is as near comes first
			}
		}
		if d <= min(3, len(wanted)/2) {
			candidates = append(candidates, candidate{i, d})
		}
	}
	sort.SliceStable(candidates, func(i, j int) bool {
		a, b := candidates[i], candidates[j]
		return cmp.Or(cmp.Compare(a.distance, b.distance), cmp.Compare(words(keys[a.position]), words(keys[b.position]))) < 0
	})
	positions := make([]int, len(candidates))
	for i, c := range candidates {
		positions[i] = c.position
	}
	return positions
}

// distance counts the letters to insert, delete or replace to make b of a.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost++
			}
			diagonal = row[j+1]
			row[j+1] = min(cost, row[j]+1, diagonal+1)
		}
	}
	return row[len(b)]
}
