package model

import (
	"lwm2m-agent/lwm2m"
)

// The objects whose content no server but the bootstrap server may touch
// (Core, section 6.3 and appendix E.1).
const (
	objectSecurity = 0
	objectOSCORE   = 21
	objectCOSE     = 23
)

// MayTouch refuses with 4.01 what no origin of this kind may do anything to. The
// operations of the tree ask it themselves; it is for those that are carried out
// elsewhere, such as Discover and Write-Attributes.
func (t *Tree) MayTouch(origin Origin, p lwm2m.Path) error {
	if origin.Kind != OriginServer || p.IsRoot() {
		return nil
	}
	switch p.Object() {
	case objectSecurity, objectOSCORE, objectCOSE:
		return lwm2m.Errorf(lwm2m.Unauthorized, "object %d is for the bootstrap server only", p.Object())
	}
	return nil
}

// reads reports whether the origin may see a resource.
func (o Origin) reads(oid uint16, r *ResourceDefinition) bool {
	switch o.Kind {
	case OriginAgent:
		return true
	case OriginLocal:
		return r.Ops.Has(OpRead) || r.Ops == 0 && r.Type != lwm2m.TypeNone && !secret(oid, r.ID)
	case OriginBootstrap, OriginServer:
	}
	return r.Ops.Has(OpRead)
}

// secret reports whether a resource holds key material, which never leaves
// through any interface.
func secret(oid, rid uint16) bool {
	switch oid {
	case objectSecurity:
		return rid == 5 || rid == 7 || rid == 8 // Secret Key, SMS binding keys
	case objectOSCORE:
		return rid == 0 || rid == 5 // Master Secret, Master Salt
	case objectCOSE:
		return rid == 2 // Key
	}
	return false
}

// writes reports whether the origin may write a resource.
func (o Origin) writes(r *ResourceDefinition) bool {
	switch o.Kind {
	case OriginAgent, OriginBootstrap:
		return r.Type != lwm2m.TypeNone
	case OriginServer, OriginLocal:
	}
	return r.Ops.Has(OpWrite)
}
