//go:build small

package agent

import (
	"context"
	"errors"
)

// servePage fails: there is no page.
func (*Agent) servePage(context.Context, func()) error {
	return errors.New("this small program has no page; take [page] out of the configuration")
}
