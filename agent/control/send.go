package control

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"

	"lwm2m-agent/lwm2m"
)

// errNoAnswer is why a Send ends that takes too long.
var errNoAnswer = fmt.Errorf("the server has not answered within %v", executeTime)

// maxServers bounds the servers of one request; each takes a goroutine.
const maxServers = 64

// SendRequest is the body of POST /v1/send.
type SendRequest struct {
	Paths   []string `json:"paths"`             // in numbers or by name
	Servers []uint16 `json:"servers,omitempty"` // Short Server IDs; none: all
}

// SendOutcome says how a Send to one server went.
type SendOutcome struct {
	ShortServerID uint16 `json:"short_server_id"`
	Sent          bool   `json:"sent"`            // and acknowledged
	Error         string `json:"error,omitempty"` // why not
}

func (h *handler) send(w http.ResponseWriter, r *http.Request) error {
	var request SendRequest
	if err := body(r, &request); err != nil {
		return err
	}
	paths, err := h.parsePaths(request.Paths)
	if err != nil {
		return err
	}
	if len(paths) == 0 {
		return lwm2m.Errorf(lwm2m.BadRequest, `there is no path: {"paths": ["/3303/0/5700"]}`)
	}
	if len(request.Servers) > maxServers {
		return lwm2m.Errorf(lwm2m.BadRequest, "%d servers, at most %d", len(request.Servers), maxServers)
	}
	ctx, cancel := context.WithTimeoutCause(r.Context(), executeTime, errNoAnswer)
	defer cancel()
	outcomes, err := h.backend.Send(ctx, request.Servers, paths)
	if err != nil {
		return err
	}
	return answer(w, http.StatusOK, outcomes)
}

// Send makes the agent tell these servers, or all, what is at the paths.
func (c *Client) Send(ctx context.Context, paths []string, servers ...uint16) ([]SendOutcome, error) {
	b, err := json.Marshal(SendRequest{Paths: paths, Servers: servers})
	if err != nil {
		return nil, err
	}
	response, err := c.do(ctx, http.MethodPost, "/v1/send", b)
	if err != nil {
		return nil, err
	}
	var outcomes []SendOutcome
	return outcomes, readAnswer(response, "/v1/send", &outcomes)
}
