package client

import (
	"context"

	"lwm2m-agent/lwm2m/coap"
)

// tokenKey is the key of a request's token in the context that it is carried out with.
type tokenKey struct{}

// withToken returns a context for what is done because of a request with a token.
func withToken(ctx context.Context, t coap.Token) context.Context {
	return context.WithValue(ctx, tokenKey{}, t)
}

// TokenOf returns the token, in hexadecimal, of the server's request that something is done for; false if it is for none. What is logged with it
// can be told from what other requests bring about, and found in a trace.
func TokenOf(ctx context.Context) (string, bool) {
	t, ok := ctx.Value(tokenKey{}).(coap.Token)
	return t.String(), ok
}
