package control

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/url"
	"os"
	"syscall"
)

// Client asks an agent through its control socket. Numbers in answers are
// json.Number.
type Client struct {
	path string
	http http.Client
}

// NewClient returns a client for the socket at path. Nothing is connected before
// the first request.
func NewClient(path string) *Client {
	c := &Client{path: path}
	c.http.Transport = &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			var d net.Dialer
			return d.DialContext(ctx, "unix", path)
		},
		DisableKeepAlives: true,
	}
	return c
}

// Error returns code and message.
func (r *Refusal) Error() string { return r.Code + " " + r.Message }

// Status asks who the agent is and how its servers stand.
func (c *Client) Status(ctx context.Context) (Status, error) {
	var s Status
	return s, c.get(ctx, "/v1/status", nil, &s)
}

// Tree asks for the places at a path and below; "" is everything.
func (c *Client) Tree(ctx context.Context, path string) ([]Place, error) {
	var places []Place
	query := url.Values{}
	if path != "" {
		query.Set("path", path)
	}
	return places, c.get(ctx, "/v1/tree", query, &places)
}

// Values asks for the values at the paths and below.
func (c *Client) Values(ctx context.Context, paths ...string) ([]Value, error) {
	var values []Value
	return values, c.get(ctx, "/v1/value", url.Values{"path": paths}, &values)
}

// Write writes values by path: what encoding/json makes of them, or text as the
// plain text format has it for any type.
func (c *Client) Write(ctx context.Context, values map[string]any) error {
	return c.send(ctx, http.MethodPut, "/v1/value", values)
}

// Execute runs a resource.
func (c *Client) Execute(ctx context.Context, path, args string) error {
	return c.send(ctx, http.MethodPost, "/v1/execute", ExecuteRequest{Path: path, Args: args})
}

// Bootstrap makes the agent ask its bootstrap server for accounts.
func (c *Client) Bootstrap(ctx context.Context) error {
	return c.send(ctx, http.MethodPost, "/v1/bootstrap", struct{}{})
}

// Deregister ends the registrations, until the agent is started anew.
func (c *Client) Deregister(ctx context.Context) error {
	return c.send(ctx, http.MethodPost, "/v1/deregister", struct{}{})
}

// Update makes the agent send a registration Update to these servers, or to all.
func (c *Client) Update(ctx context.Context, servers ...uint16) error {
	return c.send(ctx, http.MethodPost, "/v1/update", UpdateRequest{Servers: servers})
}

// Events calls each for each event until it returns an error, which is returned,
// ctx ends, or the agent does.
func (c *Client) Events(ctx context.Context, paths []string, each func(Event) error) error {
	return eachLine(ctx, c, "/v1/events?"+url.Values{"path": paths}.Encode(), func() {}, each)
}

// eachLine calls begun when a stream has begun, and each for each of its lines.
func eachLine[T any](ctx context.Context, c *Client, route string, begun func(), each func(T) error) error {
	response, err := c.do(ctx, http.MethodGet, route, nil)
	if err != nil {
		return err
	}
	defer response.Body.Close() //nolint:errcheck // only read
	begun()
	d := json.NewDecoder(response.Body)
	d.UseNumber()
	for {
		var e T
		switch err := d.Decode(&e); {
		case ctx.Err() != nil:
			return ctx.Err()
		case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
			return errors.New("the agent has ended the stream")
		case err != nil:
			return fmt.Errorf("read the event stream: %w", err)
		}
		if err := each(e); err != nil {
			return err
		}
	}
}

// maxRaw bounds what Raw takes, in bytes.
const maxRaw = 8 << 20

// Raw returns the body of the answer to a GET.
func (c *Client) Raw(ctx context.Context, route string) ([]byte, error) {
	response, err := c.do(ctx, http.MethodGet, route, nil)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close() //nolint:errcheck // only read
	body, err := io.ReadAll(io.LimitReader(response.Body, maxRaw+1))
	if err == nil && len(body) > maxRaw {
		err = fmt.Errorf("the answer to %s has more than %d bytes", route, maxRaw)
	}
	return body, err
}

func (c *Client) get(ctx context.Context, route string, query url.Values, into any) error {
	if len(query) > 0 {
		route += "?" + query.Encode()
	}
	response, err := c.do(ctx, http.MethodGet, route, nil)
	if err != nil {
		return err
	}
	return readAnswer(response, route, into)
}

// readAnswer reads the JSON of an answer.
func readAnswer(response *http.Response, route string, into any) error {
	defer response.Body.Close() //nolint:errcheck // only read
	d := json.NewDecoder(response.Body)
	d.UseNumber()
	if err := d.Decode(into); err != nil {
		return fmt.Errorf("read the answer to %s: %w", route, err)
	}
	return nil
}

func (c *Client) send(ctx context.Context, method, route string, body any) error {
	b, err := json.Marshal(body)
	if err != nil {
		return err
	}
	response, err := c.do(ctx, method, route, b)
	if err != nil {
		return err
	}
	return response.Body.Close()
}

// do sends a request and returns an answer that is no refusal.
func (c *Client) do(ctx context.Context, method, route string, body []byte) (*http.Response, error) {
	request, err := http.NewRequestWithContext(ctx, method, "http://agent"+route, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	if body != nil {
		request.Header.Set("Content-Type", "application/json")
	}
	return c.roundTrip(ctx, request)
}

func (c *Client) roundTrip(ctx context.Context, request *http.Request) (*http.Response, error) {
	response, err := c.http.Do(request)
	if err != nil {
		return nil, c.explain(ctx, err)
	}
	if response.StatusCode < http.StatusBadRequest {
		return response, nil
	}
	defer response.Body.Close() //nolint:errcheck // only read
	var refusal Refusal
	err = json.NewDecoder(io.LimitReader(response.Body, maxBody)).Decode(&refusal)
	if err != nil || refusal.Message == "" {
		return nil, fmt.Errorf("the agent answers %s", response.Status)
	}
	return nil, &refusal
}

// explain says what to do about a socket that cannot be used.
func (c *Client) explain(ctx context.Context, err error) error {
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ECONNREFUSED):
		how := `"systemctl status lwm2m-agent"`
		if _, err := os.Stat("/etc/init.d/lwm2m-agent"); err == nil { // OpenWrt's package
			how = `"logread -e lwm2m-agent"`
		}
		return fmt.Errorf(`no agent answers at %s: is it running? "lwm2m-agent check" says whether its configuration is right, %s how it ended; -socket PATH names another socket`, c.path, how)
	case errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("%s: permission denied; be root or a member of group %s", c.path, GroupReading)
	}
	if inner, ok := errors.AsType[*url.Error](err); ok {
		err = inner.Err
	}
	if errors.Is(err, io.EOF) || errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE) {
		return fmt.Errorf("the agent at %s has hung up (%w): it serves as many clients as it may, has no file descriptor left, or is ending; try again, and see its log", c.path, err)
	}
	return fmt.Errorf("ask the agent at %s: %w", c.path, err)
}
