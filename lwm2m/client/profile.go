package client

import (
	"crypto/sha256"
	"encoding/hex"
	"strconv"

	"lwm2m-agent/lwm2m"
	"lwm2m-agent/lwm2m/wire/link"
)

// profileSizes are the lengths in bytes of the hashes that Profile IDs are made with, by
// the number that /1/x/27 has (RFC 6920, section 9.4): SHA-256, whole or cut.
var profileSizes = map[int64]int{1: 32, 2: 16, 3: 15, 4: 12, 5: 8, 6: 4}

// profileID returns what stands for the object list in a Register, "" if the server has
// not asked for it (/1/x/27, Profile ID Hash Algorithm, from 1.2 on) or for a hash that is
// unknown here.
func (a *account) profileID() string {
	size, ok := profileSizes[a.settings.profileHash]
	if !ok || a.version.Less(lwm2m.Version12) {
		return ""
	}
	sum := sha256.Sum256(a.profile())
	return strconv.FormatInt(a.settings.profileHash, 10) + ":" + hex.EncodeToString(sum[:size])
}

// profile returns what is hashed: the object list with the version of every object (Core
// 1.2.2, section 6.2.1), as in a Register but for the link to the root.
func (a *account) profile() []byte {
	entries := a.tree.Entries(lwm2m.Path{}, lwm2m.LevelInstance)
	links := make([]link.Link, 0, len(entries))
	for _, e := range entries {
		switch {
		case e.Path.IsRoot() || unlisted(e.Path.Object()):
		case e.Path.Level() == lwm2m.LevelObject:
			v := e.Version
			if v.IsZero() {
				v = lwm2m.Version10
			}
			links = append(links, link.To("", e.Path, versionAttr(v)))
		default:
			links = append(links, link.To("", e.Path))
		}
	}
	return link.Append(nil, links)
}
