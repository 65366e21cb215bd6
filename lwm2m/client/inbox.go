package client

import (
	"context"
	"net"
	"sync"
	"time"

	"lwm2m-agent/lwm2m"
	"lwm2m-agent/lwm2m/coap"
)

// inbox brings events to an account's goroutine. Its length is bounded by what the
// message layer lets a server have in progress and by the account's few goroutines.
type inbox struct {
	wake chan struct{}

	mu    sync.Mutex
	items []any
}

func newInbox() *inbox { return &inbox{wake: make(chan struct{}, 1)} }

func (b *inbox) put(item any) {
	b.mu.Lock()
	b.items = append(b.items, item)
	b.mu.Unlock()
	select {
	case b.wake <- struct{}{}:
	default:
	}
}

// take returns what has come, in order, and uses the memory of last again.
func (b *inbox) take(last []any) []any {
	clear(last)
	b.mu.Lock()
	defer b.mu.Unlock()
	items := b.items
	b.items = last[:0]
	return items
}

// alive waits until whoever takes from the inbox has looked at it, or has ended.
func (b *inbox) alive(ctx context.Context, ended <-chan struct{}) error {
	answered := make(chan struct{})
	b.put(probe{answered})
	select {
	case <-answered:
	case <-ended:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	return nil
}

// What comes into an inbox, beside requests.
type (
	// dialled is the outcome of the attempt with the given number.
	dialled struct {
		attempt int
		server  Server
		nc      net.Conn
		err     error
	}
	// answered is the outcome of the request with the given number.
	answered struct {
		attempt  int
		response *coap.Message
		err      error
	}
	// connectionEnded says that a connection is over.
	connectionEnded struct {
		connection *connection
		err        error
	}
	// notified is the outcome of a notification.
	notified struct {
		observation *observation
		err         error
	}
	// turnHasCome says that the servers before this one have registered or failed.
	turnHasCome struct{}
	// restartAsked says that the server has had the device restarted.
	restartAsked struct{}
	// numbersLow says that few record numbers are left.
	numbersLow struct{}
	// ownChangeDone says that a request that changes object 1 has been answered.
	ownChangeDone struct{}
	// deleted says what a server has deleted.
	deleted struct{ path lwm2m.Path }
	// resettled brings what objects 0 and 1 say now, and the account's place in the order of
	// registrations, nil: as it was.
	resettled struct {
		settings *settings
		place    *place
	}
	// command is asked for by the agent or by a server's Execute.
	command struct {
		event     event
		timeout   time.Duration // of disable; 0: that of the settings
		bootstrap bool          // instead of the event: ask for a bootstrap
		transport string        // letter, of triggered; "": the one in use
	}
	// bootstrapped says that the bootstrap server has come to its end, and whether it has
	// written the account.
	bootstrapped struct{ written bool }
	// probe asks whether the account's goroutine goes round.
	probe struct{ answered chan<- struct{} }
	// observedAsked asks for the requests of what the server observes.
	observedAsked struct{ answer chan<- []*coap.Message }
	// paramsChanged says that the account's parameters are others now.
	paramsChanged struct{}
	// networkChanged says that addresses or routes have changed.
	networkChanged struct{}
)
