package lwm2m

import "strconv"

// Format is a CoAP Content-Format number (Core, section 7.5; Transport, table
// of media types).
type Format uint16

// The content formats of LwM2M. The last three are the numbers in use before
// IANA assigned 11542 and 11543; they are accepted, never sent.
const (
	FormatText          Format = 0
	FormatLink          Format = 40
	FormatOpaque        Format = 42
	FormatCBOR          Format = 60
	FormatSenMLJSON     Format = 110
	FormatSenMLCBOR     Format = 112
	FormatSenMLETCHJSON Format = 320
	FormatSenMLETCHCBOR Format = 322
	FormatTLV           Format = 11542
	FormatOMAJSON       Format = 11543
	FormatLwM2MCBOR     Format = 11544
	FormatOldText       Format = 1541
	FormatOldTLV        Format = 1542
	FormatOldJSON       Format = 1543
)

var formatNames = map[Format]string{
	FormatText: "text/plain", FormatLink: "application/link-format", FormatOpaque: "application/octet-stream",
	FormatCBOR: "application/cbor", FormatSenMLJSON: "application/senml+json", FormatSenMLCBOR: "application/senml+cbor",
	FormatSenMLETCHJSON: "application/senml-etch+json", FormatSenMLETCHCBOR: "application/senml-etch+cbor",
	FormatTLV: "application/vnd.oma.lwm2m+tlv", FormatOMAJSON: "application/vnd.oma.lwm2m+json",
	FormatLwM2MCBOR: "application/vnd.oma.lwm2m+cbor",
}

// String returns the media type, or the number if it is not one of LwM2M's.
func (f Format) String() string {
	if name, ok := formatNames[f]; ok {
		return name
	}
	return "content-format " + strconv.Itoa(int(f))
}

// Canonical returns the number that IANA assigned for a format that is also
// known under an older one.
func (f Format) Canonical() Format {
	switch f {
	case FormatOldText:
		return FormatText
	case FormatOldTLV:
		return FormatTLV
	case FormatOldJSON:
		return FormatOMAJSON
	default:
		return f
	}
}
