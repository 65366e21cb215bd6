package server

import (
	"sync"

	"lwm2m-agent/lwm2m"
	"lwm2m-agent/lwm2m/wire/link"
)

// maxProfiles bounds the object lists that are known by a Profile ID.
const maxProfiles = 1000

// profiles are the object lists that Profile IDs stand for, learned from registrations
// that have both (Core 1.2, section 6.2.1).
type profiles struct {
	mu    sync.Mutex
	lists map[string]profile
}

type profile struct {
	objects []link.Link
	formats []lwm2m.Format
	root    string
}

// complete gives a registration the object list that its Profile ID stands for, or learns
// it. A list of several profiles is not put together. The error is a 4.09.
func (p *profiles) complete(r *Registration) error {
	if len(r.Profiles) != 1 {
		if len(r.Objects) == 0 {
			return lwm2m.Errorf(lwm2m.Conflict, "send the object list: several Profile IDs are not supported")
		}
		return nil
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	id := r.Profiles[0]
	if known, ok := p.lists[id]; ok && len(r.Objects) == 0 {
		r.Objects, r.Formats, r.Root = known.objects, known.formats, known.root
		return nil
	}
	if len(r.Objects) == 0 {
		return lwm2m.Errorf(lwm2m.Conflict, "send the object list: Profile ID %.40q is not known", id)
	}
	if p.lists == nil || len(p.lists) >= maxProfiles {
		p.lists = make(map[string]profile)
	}
	p.lists[id] = profile{r.Objects, r.Formats, r.Root}
	return nil
}
