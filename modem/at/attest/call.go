package attest

import (
	"io"
	"sync"
)

// call is a port in data mode.
type call struct {
	line   io.ReadWriteCloser // nil: there was none yet
	over   chan struct{}      // closed when line has ended
	saying sync.WaitGroup
}

// connect has a port say what comes over a line, until that ends.
func (m *Modem) connect(port io.Writer, line io.ReadWriteCloser) *call {
	c := &call{line: line, over: make(chan struct{})}
	c.saying.Go(func() {
		_, _ = io.Copy(port, line) // either end has gone
		close(c.over)
		m.listens(port, true)
		m.say(port, framed("NO CARRIER"))
	})
	return c
}

// carries gives bytes to the line, and reports whether there is one.
func (c *call) carries(b []byte) bool {
	if c.line == nil {
		return false
	}
	select {
	case <-c.over:
		return false
	default:
		_, _ = c.line.Write(b) // if it fails, the other direction ends
		return true
	}
}

func (c *call) end() {
	if c.line != nil {
		_ = c.line.Close()
		c.saying.Wait()
	}
}
