package client

import (
	"lwm2m-agent/lwm2m"
	"lwm2m-agent/lwm2m/model"
	"lwm2m-agent/lwm2m/wire"
	"lwm2m-agent/lwm2m/wire/link"
)

// unlisted reports whether an object is left out of the object list: Security,
// OSCORE and, from 1.2.1 on, COSE (Core, table of Registration Parameters).
func unlisted(oid uint16) bool { return oid == objectSecurity || oid == 21 || oid == 23 }

// appendObjectList adds the object list of Register and Update to dst: the root with
// the formats that are no matter of course, then objects and object instances in
// order (Core, section 6.2.1).
func appendObjectList(dst []byte, v lwm2m.Version, entries []model.Entry) []byte {
	links := append(make([]link.Link, 0, len(entries)+1), rootLink(v))
	for i, e := range entries {
		switch {
		case e.Path.IsRoot() || unlisted(e.Path.Object()):
		case e.Path.Level() > lwm2m.LevelObject:
			links = append(links, link.To("", e.Path))
		case announced(v, e.Path.Object(), e.Version):
			links = append(links, link.To("", e.Path, versionAttr(e.Version)))
		case i+1 == len(entries) || !e.Path.Contains(entries[i+1].Path):
			links = append(links, link.To("", e.Path)) // without instances
		}
	}
	return link.Append(dst, links)
}

// rootLink says where the objects are and, from 1.1 on, which formats beyond text,
// opaque and link format are spoken.
func rootLink(v lwm2m.Version) link.Link {
	attrs := []link.Attr{link.Quoted("rt", link.ResourceType)}
	if v != lwm2m.Version10 {
		var formats []lwm2m.Format
		for _, f := range wire.Formats() {
			if f != lwm2m.FormatText && f != lwm2m.FormatOpaque && speaks(v, f) {
				formats = append(formats, f)
			}
		}
		attrs = append(attrs, link.ContentFormats(formats...))
	}
	return link.To("", lwm2m.Path{}, attrs...)
}

// announced reports whether an object's version is told. Other than 1.0 it is told
// always; 1.0 only for the objects for which an enabler from 1.1 on assumes a newer
// one (Core, section 7.2.2).
func announced(enabler lwm2m.Version, oid uint16, v lwm2m.Version) bool {
	if v.IsZero() || v == lwm2m.Version10 {
		return enabler != lwm2m.Version10 && oid >= 1 && oid <= 5 && !v.IsZero()
	}
	return true
}

// versionAttr is written without quotes: Leshan refuses them.
func versionAttr(v lwm2m.Version) link.Attr { return link.Token("ver", v.String()) }
