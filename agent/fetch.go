package agent

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strings"
	"sync"

	"lwm2m-agent/fota"
	"lwm2m-agent/lwm2m/client"
	"lwm2m-agent/lwm2m/coap"
	"lwm2m-agent/lwm2m/dtls"
)

// coapFetcher downloads packages by CoAP, over UDP, DTLS, TCP and TLS, on a connection of
// its own, so that the registration does not wait for it.
type coapFetcher struct{ agent *Agent }

var _ fota.Fetcher = coapFetcher{}

// blocksAhead is how many blocks are asked for at a time on a bearer that is neither slow nor
// metered, as long as none is lost.
const blocksAhead = 8

// fetching are the parameters for a package. On a slow or metered bearer what is asked for in
// vain is dear.
func fetching(p *client.Params) coap.Params {
	params := p.CoAP
	if p.KeepAlive {
		params.NStart = max(params.NStart, blocksAhead)
	}
	return params
}

// Fetch implements fota.Fetcher, with Block2 and ETag (RFC 7959).
func (f coapFetcher) Fetch(ctx context.Context, uri *url.URL, from fota.Position, to fota.Body) error {
	server, done, err := f.agent.packageServer(uri)
	if err != nil {
		return err
	}
	server.OnHandshake = func(remote net.Addr, _ bool, size int) { to.Spent(client.HandshakeSize(remote, size)) }
	nc, err := f.agent.dialer().Dial(ctx, server)
	done()
	if err != nil {
		return unmendable(err)
	}
	p := f.agent.params(f.agent.accountOf(uri.Hostname()))
	return fetchOver(ctx, nc, coap.Options{Params: fetching(&p), Limits: p.Limits}, uri, from, to)
}

// unmendable makes a refusal of an error that no second attempt mends: the host is not who it
// should be, or what is configured for it cannot be used. A key that is held elsewhere, such as in a TPM, may be back.
func unmendable(err error) error {
	if e, ok := errors.AsType[*dtls.Error](err); ok && !e.Remote || errors.Is(err, client.ErrAccount) && !errors.Is(err, client.ErrKey) {
		return fmt.Errorf("%w: %w", fota.ErrRefused, err)
	}
	return err
}

// fetchOver downloads over a connection and closes it.
func fetchOver(ctx context.Context, nc net.Conn, o coap.Options, uri *url.URL, from fota.Position, to fota.Body) error {
	open := coap.New
	if strings.HasSuffix(uri.Scheme, "+tcp") { // RFC 8323, section 8
		open = coap.NewStream
	}
	o.Trace = func(_ coap.Direction, message []byte) { to.Spent(client.WireSize(nc, len(message))) }
	conn := open(nc, nil, o)
	var running sync.WaitGroup
	running.Go(func() { _ = conn.Run(ctx) }) // what has ended it, the download tells
	err := download(ctx, conn, uri, from, to)
	_ = conn.Close() // it is of no more use
	running.Wait()
	return err
}

// accountOf returns the account whose server is a host, for its bearer and its way; 0: none has,
// and the bearer in use counts.
func (a *Agent) accountOf(host string) uint16 {
	for _, s := range a.config.Load().Servers {
		if s.URI.Hostname() == host {
			return s.ShortServerID
		}
	}
	for _, s := range a.client.Status() { // of a bootstrap server's
		if uri, err := url.Parse(s.URI); err == nil && uri.Hostname() == host {
			return s.ShortServerID
		}
	}
	return 0
}

// packageServer returns whom to ask for what lies at a URI. done is called when it has been dialled.
func (a *Agent) packageServer(uri *url.URL) (to client.Server, done func(), err error) {
	to = client.Server{URI: uri.Scheme + "://" + uri.Host, Credentials: client.Credentials{Mode: client.SecurityNone}}
	if id := a.accountOf(uri.Hostname()); id != 0 { // over the way that leads to it
		account, _ := accountSection(a.config.Load(), id)
		if to.Interface = account.Interface; account.Modem != "" {
			to.Interface = throughModem + account.Modem
		}
	}
	if !strings.HasPrefix(uri.Scheme, "coaps") {
		return to, func() {}, nil
	}
	to.Credentials, done, err = a.packageCredentials(uri)
	return to, done, err
}

// download asks for what lies behind a position, and for all of it if it has
// changed since.
func download(ctx context.Context, conn *coap.Conn, uri *url.URL, from fota.Position, to fota.Body) error {
	resume := coap.Resume{}
	if etag, err := hex.DecodeString(from.Validator); err == nil && len(etag) > 0 && from.Offset > 0 {
		resume = coap.Resume{Offset: from.Offset, ETag: etag}
	}
	answer, err := conn.Download(ctx, packageRequest(uri), resume, &blocks{to, resume.Offset})
	refused := err == nil && answer.Code>>5 == clientError // a server that has started anew may know no block in the middle
	if resume.Offset > 0 && (refused || errors.Is(err, coap.ErrChanged)) {
		answer, err = conn.Download(ctx, packageRequest(uri), coap.Resume{}, &blocks{to, 0})
	}
	switch {
	case err != nil:
		return err
	case answer.Code == coap.Content:
		return nil
	case answer.Code>>5 == clientError && answer.Code != coap.TooManyRequests:
		return fmt.Errorf("%w: the server answers %s %.60q", fota.ErrRefused, answer.Code, answer.Payload)
	}
	return fmt.Errorf("the server answers %s %.60q", answer.Code, answer.Payload)
}

// clientError is the class of 4.xx.
const clientError = 4

func packageRequest(uri *url.URL) *coap.Message {
	m := &coap.Message{Code: coap.GET}
	m.SetPath(uri.Path)
	if uri.RawQuery != "" {
		for q := range strings.SplitSeq(uri.RawQuery, "&") {
			if plain, err := url.QueryUnescape(q); err == nil {
				q = plain
			}
			m.AddQuery(q)
		}
	}
	return m
}

// blocks hands a download on.
type blocks struct {
	fota.Body
	offset int64
}

// Begin implements coap.Beginner.
func (b *blocks) Begin(first *coap.Message) error {
	size, _ := first.Size2()
	return b.Body.Begin(fota.Position{Offset: b.offset, Validator: hex.EncodeToString(first.ETag())}, int64(size))
}
