package client

import (
	"fmt"
	"log/slog"
	"strconv"
	"strings"
)

// forget removes the records of servers without an account: of one that has been removed, at once, for the next one with its number,
// and when it has ended, which may have written until then; and of those that were removed while the client did not run. mu is held.
func (c *Client) forget() {
	if c.config.Store == nil {
		return
	}
	some := false
	remove := func(keys []string, save func(key string, record []byte) error) {
		for _, key := range keys {
			ssid, ok := serverOf(key)
			if !ok || c.accounts[ssid] != nil {
				continue
			}
			some = true
			if err := save(key, nil); err != nil {
				c.config.Log.Error("record of a removed account stays", slog.Any("err", fmt.Errorf("remove %q: %w", key, err)))
			}
		}
	}
	journal := c.config.journal()
	remove(journal.Keys(), journal.Note) // first: what has no edge does not go on
	remove(c.config.Store.Keys(), c.config.Store.Save)
	if some && c.config.OnForgotten != nil {
		c.running.Go(c.config.OnForgotten)
	}
}

// serverOf returns the Short Server ID in the key of a record.
func serverOf(key string) (ssid uint16, ok bool) {
	_, rest, _ := strings.Cut(key, "/")
	number, _, _ := strings.Cut(rest, "/")
	n, err := strconv.ParseUint(number, 10, 16)
	return uint16(n), err == nil
}

// left is told by an account that it writes nothing any more.
func (c *Client) left(a *account) {
	if !a.removed.Load() {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.forget()
}
