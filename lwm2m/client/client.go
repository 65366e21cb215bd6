package client

import (
	"context"
	"errors"
	"time"
)

// Client registers one device with its servers. All methods may be called from
// any goroutine.
type Client struct {
	config Config
}

// ErrNoAccount says that there is no account with a Short Server ID.
var ErrNoAccount = errors.New("no such server account")

// New returns a client that does nothing before Run.
func New(c Config) *Client { return &Client{config: c} }

// Run serves all accounts that objects 0 and 1 name, follows changes of them, and
// returns when ctx has ended and every goroutine of the Client with it. It does
// not deregister: see Deregister. It is called once. The error is never ctx's.
func (c *Client) Run(ctx context.Context) error {
	<-ctx.Done()
	return nil
}

// Update sends a registration Update to a server as soon as it can (/1/x/8,
// Registration Update Trigger). A disabled account is enabled by it, a waiting one
// tries at once. Called while an Execute on object 1 by that server is being
// answered, it waits for the answer to go out. It does not wait for the server.
func (c *Client) Update(shortServerID uint16) error { return ErrNoAccount }

// Disable deregisters from a server and registers again after the time-out (/1/x/4);
// zero means /1/x/5 (Disable Timeout), 86400 s if that is absent. Like Update it
// lets an answer go out first.
func (c *Client) Disable(shortServerID uint16, timeout time.Duration) error { return ErrNoAccount }

// NetworkChanged tells that addresses or routes have changed: waiting accounts try
// at once, others look whether their local address still holds.
func (c *Client) NetworkChanged() {}

// Deregister ends all registrations, for good. It returns when the servers have
// answered or ctx has ended.
func (c *Client) Deregister(ctx context.Context) error { return nil }

// Status returns the accounts in order of Short Server ID.
func (c *Client) Status() []AccountStatus { return nil }
