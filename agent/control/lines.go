package control

import (
	"net/http"
	"time"
)

// writePatience is how long a client may take to accept what it is sent.
const writePatience = 10 * time.Second

// lines is an answer that goes on: one JSON object a line (NDJSON).
type lines struct {
	to         http.ResponseWriter
	controller *http.ResponseController
}

func beginLines(w http.ResponseWriter) lines {
	l := lines{w, http.NewResponseController(w)}
	_ = l.controller.SetReadDeadline(time.Time{}) // it outlives what the server allows a request
	w.Header().Set("Content-Type", "application/x-ndjson")
	w.Header().Set("Cache-Control", "no-store")
	return l
}

// sendLines sends what is pending, at the beginning the answer's header as well,
// and reports whether that worked.
func sendLines[T any](l lines, pending []T) bool {
	_ = l.controller.SetWriteDeadline(time.Now().Add(writePatience))
	out := encoder(l.to)
	for _, line := range pending {
		if err := out.Encode(line); err != nil {
			return false
		}
	}
	if err := l.controller.Flush(); err != nil {
		return false
	}
	return l.controller.SetWriteDeadline(time.Time{}) == nil
}
