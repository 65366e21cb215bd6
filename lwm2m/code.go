package lwm2m

import (
	"errors"
	"fmt"
)

// Code is a response code as LwM2M uses it (Transport, section 6.4, the CoAP
// numbers of RFC 7252, section 12.1.2): class in the upper three bits.
type Code uint8

// The response codes of LwM2M over CoAP.
const (
	Created                  Code = 2<<5 | 1
	Deleted                  Code = 2<<5 | 2
	Changed                  Code = 2<<5 | 4
	Content                  Code = 2<<5 | 5
	Continue                 Code = 2<<5 | 31
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
	InternalServerError      Code = 5 << 5
	NotImplemented           Code = 5<<5 | 1
	ServiceUnavailable       Code = 5<<5 | 3
)

var codeNames = map[Code]string{
	Created: "Created", Deleted: "Deleted", Changed: "Changed", Content: "Content", Continue: "Continue",
	BadRequest: "Bad Request", Unauthorized: "Unauthorized", BadOption: "Bad Option", Forbidden: "Forbidden",
	NotFound: "Not Found", MethodNotAllowed: "Method Not Allowed", NotAcceptable: "Not Acceptable",
	RequestEntityIncomplete: "Request Entity Incomplete", Conflict: "Conflict", PreconditionFailed: "Precondition Failed",
	RequestEntityTooLarge: "Request Entity Too Large", UnsupportedContentFormat: "Unsupported Content-Format",
	InternalServerError: "Internal Server Error", NotImplemented: "Not Implemented",
	ServiceUnavailable: "Service Unavailable",
}

// Success reports whether the code is of class 2.
func (c Code) Success() bool { return c>>5 == 2 }

// String returns the code as people write it: "4.04 Not Found".
func (c Code) String() string {
	s := fmt.Sprintf("%d.%02d", c>>5, c&31)
	if name, ok := codeNames[c]; ok {
		s += " " + name
	}
	return s
}

// Error is a refusal: a response code and the reason. It may wrap its cause.
type Error struct {
	Code   Code
	Reason string
	Cause  error
}

// Errorf returns an Error whose reason is formatted like fmt.Errorf; an error
// given for %w becomes the cause.
func Errorf(code Code, format string, args ...any) error {
	err := fmt.Errorf(format, args...)
	return &Error{Code: code, Reason: err.Error(), Cause: errors.Unwrap(err)}
}

// Error returns code and reason.
func (e *Error) Error() string { return e.Code.String() + ": " + e.Reason }

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Cause }

// CodeOf returns the response code for an error: that of the Error in its
// chain, else 5.00.
func CodeOf(err error) Code {
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Code
	}
	return InternalServerError
}
