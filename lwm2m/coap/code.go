package coap

import "strconv"

// Type is the message type (RFC 7252 section 3). The zero value is CON.
type Type uint8

// Message types.
const (
	CON Type = 0 // confirmable
	NON Type = 1 // non-confirmable
	ACK Type = 2 // acknowledgement
	RST Type = 3 // reset
)

// String returns CON, NON, ACK or RST.
func (t Type) String() string {
	return [...]string{"CON", "NON", "ACK", "RST"}[t&3]
}

// Code is a method or a response code: three bits of class, five of detail
// (RFC 7252 section 12.1).
type Code uint8

// Methods: RFC 7252 section 5.8, RFC 8132 section 4.
const (
	Empty  Code = 0
	GET    Code = 1
	POST   Code = 2
	PUT    Code = 3
	DELETE Code = 4
	FETCH  Code = 5
	PATCH  Code = 6
	IPATCH Code = 7
)

// Response codes: RFC 7252 section 5.9, RFC 7959 section 2.9, RFC 8132 section 4,
// RFC 8516 section 3.
const (
	Created  Code = 2<<5 | 1
	Deleted  Code = 2<<5 | 2
	Valid    Code = 2<<5 | 3
	Changed  Code = 2<<5 | 4
	Content  Code = 2<<5 | 5
	Continue Code = 2<<5 | 31

	BadRequest               Code = 4 << 5
	Unauthorized             Code = 4<<5 | 1
	BadOption                Code = 4<<5 | 2
	Forbidden                Code = 4<<5 | 3
	NotFound                 Code = 4<<5 | 4
	MethodNotAllowed         Code = 4<<5 | 5
	NotAcceptable            Code = 4<<5 | 6
	RequestEntityIncomplete  Code = 4<<5 | 8
	Conflict                 Code = 4<<5 | 9
	PreconditionFailed       Code = 4<<5 | 12
	RequestEntityTooLarge    Code = 4<<5 | 13
	UnsupportedContentFormat Code = 4<<5 | 15
	UnprocessableEntity      Code = 4<<5 | 22
	TooManyRequests          Code = 4<<5 | 29

	InternalServerError  Code = 5 << 5
	NotImplemented       Code = 5<<5 | 1
	BadGateway           Code = 5<<5 | 2
	ServiceUnavailable   Code = 5<<5 | 3
	GatewayTimeout       Code = 5<<5 | 4
	ProxyingNotSupported Code = 5<<5 | 5
)

// Class is the hundreds of the code: 0 method, 2 success, 4 client error, 5
// server error.
func (c Code) Class() int { return int(c >> 5) }

// Detail is the code without its class.
func (c Code) Detail() int { return int(c & 31) }

// IsRequest tells whether c is a method, known or not.
func (c Code) IsRequest() bool { return c.Class() == 0 && c != Empty }

// IsResponse tells whether c is a response code of a class in use.
func (c Code) IsResponse() bool {
	return c.Class() == 2 || c.Class() == 4 || c.Class() == 5
}

// IsSuccess tells whether c is 2.xx.
func (c Code) IsSuccess() bool { return c.Class() == 2 }

var methodNames = [...]string{"EMPTY", "GET", "POST", "PUT", "DELETE", "FETCH", "PATCH", "iPATCH"}

// String returns the method's name or the dotted form, such as "GET" or "2.05".
func (c Code) String() string {
	if int(c) < len(methodNames) {
		return methodNames[c]
	}
	detail := strconv.Itoa(c.Detail())
	if len(detail) < 2 {
		detail = "0" + detail
	}
	return strconv.Itoa(c.Class()) + "." + detail
}
