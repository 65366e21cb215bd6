package control

import (
	"encoding/json"
	"errors"
	"io"
	"strings"
)

// wrongJSON says what is wrong with a body, without the names of this program's types.
func wrongJSON(err error) string {
	if wrong, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		where := ""
		if wrong.Field != "" {
			where = wrong.Field + ": "
		}
		return where + wrong.Value + " in the wrong place"
	}
	switch {
	case errors.Is(err, io.EOF):
		return "it is empty"
	case errors.Is(err, io.ErrUnexpectedEOF):
		return "it ends early"
	}
	return strings.TrimPrefix(err.Error(), "json: ")
}
