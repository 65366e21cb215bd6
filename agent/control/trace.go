package control

import (
	"context"
	"net/http"

	"lwm2m-agent/agent/trace"
)

// trace streams the messages to and from servers until the client goes, does not keep up,
// or the agent ends.
func (h *handler) trace(w http.ResponseWriter, r *http.Request) error {
	end, err := h.beginStream()
	if err != nil {
		return err
	}
	defer end()
	messages := h.backend.Trace(r.Context())
	defer messages.Close()
	out := beginLines(w)
	var pending []trace.Message
	for sendLines(out, pending) {
		select {
		case <-messages.Wake():
			pending = messages.Take()
		case <-r.Context().Done():
			return nil
		case <-h.done:
			return nil
		}
	}
	return nil
}

// Trace calls begun when the agent has begun to listen, then each for each message, until it
// returns an error, which is returned, ctx ends, or the agent does.
func (c *Client) Trace(ctx context.Context, begun func(), each func(trace.Message) error) error {
	return eachLine(ctx, c, "/v1/trace", begun, each)
}
