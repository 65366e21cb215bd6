package wire

import (
	"time"

	"lwm2m-agent/lwm2m"
	"lwm2m-agent/lwm2m/wire/senml"
)

// AppendPaths adds to dst the list of paths that a Read-Composite or
// Observe-Composite asks for (Core, section 6.3.8). The error is an *lwm2m.Error
// with 4.15 if the format cannot carry such a list.
func AppendPaths(dst []byte, f lwm2m.Format, paths []lwm2m.Path) ([]byte, error) {
	switch f {
	case lwm2m.FormatSenMLJSON, lwm2m.FormatSenMLETCHJSON:
		return senml.AppendPathsJSON(dst, paths), nil
	case lwm2m.FormatSenMLCBOR, lwm2m.FormatSenMLETCHCBOR:
		return senml.AppendPathsCBOR(dst, paths), nil
	default:
		return dst, lwm2m.Errorf(lwm2m.UnsupportedContentFormat, "format %v carries no list of paths", f)
	}
}

// DecodePaths reads what AppendPaths writes, in the payload's order. The error is
// an *lwm2m.Error: 4.15 for the format, 4.00 for the payload.
func DecodePaths(f lwm2m.Format, data []byte) ([]lwm2m.Path, error) {
	switch f {
	case lwm2m.FormatSenMLJSON, lwm2m.FormatSenMLETCHJSON:
		return senml.DecodePathsJSON(data)
	case lwm2m.FormatSenMLCBOR, lwm2m.FormatSenMLETCHCBOR:
		return senml.DecodePathsCBOR(data)
	default:
		return nil, lwm2m.Errorf(lwm2m.UnsupportedContentFormat, "format %v carries no list of paths", f)
	}
}

// CanCarryComposite reports whether the format can carry a Write-Composite (Core,
// section 6.3.9): SenML, the same under the numbers of RFC 8790, or LwM2M CBOR.
func CanCarryComposite(f lwm2m.Format) bool {
	switch f {
	case lwm2m.FormatSenMLJSON, lwm2m.FormatSenMLCBOR, lwm2m.FormatSenMLETCHJSON, lwm2m.FormatSenMLETCHCBOR, lwm2m.FormatLwM2MCBOR:
		return true
	default:
		return false
	}
}

// AnswerTo returns the format that answers a list of paths in the format f: the ETCH
// formats are for requests only (RFC 8790, section 3).
func AnswerTo(f lwm2m.Format) lwm2m.Format {
	switch f {
	case lwm2m.FormatSenMLETCHJSON:
		return lwm2m.FormatSenMLJSON
	case lwm2m.FormatSenMLETCHCBOR:
		return lwm2m.FormatSenMLCBOR
	default:
		return f
	}
}

// ResolveTimes replaces the relative times among decoded nodes, in place. SenML
// counts a time below 2^28 seconds from the moment of receiving (RFC 8428, section
// 4.5.3); Decode leaves those as that many seconds from 1970.
func ResolveTimes(nodes []lwm2m.Node, received time.Time) { senml.ResolveTimes(nodes, received) }
