package objects

import (
	"bytes"
	"sync"
)

// maxCollection bounds what a collection of log lines holds, in bytes, and
// maxLine one line of it.
const (
	maxCollection = 16 << 10
	maxLine       = 1 << 10
)

// Collection is what a log of object 20 has collected: whole lines, of which the
// oldest make room for new ones. It is an io.Writer that never fails, so that a
// logger can write into it, from any goroutine.
type Collection struct {
	mu      sync.Mutex
	kept    window // LogData
	stopped bool   // LogStop was executed after LogStart
	failed  bool   // the source cannot be read
	feeds   map[uint16]*logFeed
	changed func() // tells the object; may not block
}

// NewCollection returns an empty collection, which is running.
func NewCollection() *Collection {
	return &Collection{feeds: make(map[uint16]*logFeed), changed: func() {}}
}

// Write takes one line. What goes beyond 1 kB of it is cut off.
func (c *Collection) Write(line []byte) (int, error) {
	text := bytes.TrimRight(line, "\n")
	text = append(bytes.Clone(text[:min(len(text), maxLine)]), '\n')
	c.mu.Lock()
	c.failed = false
	if !c.stopped {
		c.kept.add(text)
	}
	for _, f := range c.feeds {
		f.window.add(text)
	}
	changed := c.changed
	c.mu.Unlock()
	changed()
	return len(line), nil
}

// Failed says that the source of the lines cannot be read. The next line says that
// it can again.
func (c *Collection) Failed() {
	c.mu.Lock()
	c.failed = true
	changed := c.changed
	c.mu.Unlock()
	changed()
}

// data returns LogData.
func (c *Collection) data() []byte {
	c.mu.Lock()
	defer c.mu.Unlock()
	return bytes.Clone(c.kept.text)
}

// The bits of LogStatus; the last one since version 2.1 of object 20.
const (
	statusStopped     = 1 << 0
	statusData        = 1 << 1
	statusFailed      = 1 << 2
	statusIncremental = 1 << 3
)

func (c *Collection) status() int64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	status := int64(0)
	for bit, set := range map[int64]bool{
		statusStopped: c.stopped, statusData: len(c.kept.text) > 0, statusFailed: c.failed, statusIncremental: len(c.feeds) > 0,
	} {
		if set {
			status |= bit
		}
	}
	return status
}

// run starts or stops the collection of LogData, and empties it if asked to.
func (c *Collection) run(running, empty bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.stopped = !running
	if empty {
		c.kept.drop(c.kept.end())
	}
}

// window is the end of a text that grows: whole lines. The position of a byte is
// counted from the beginning of the text.
type window struct {
	text  []byte
	begin uint64 // position of text[0]
}

func (w *window) end() uint64 { return w.begin + uint64(len(w.text)) }

// add appends a line. A full window loses a quarter of it at once, so that not
// every line moves all others.
func (w *window) add(line []byte) {
	if len(w.text)+len(line) > maxCollection {
		cut := maxCollection / 4
		cut += bytes.IndexByte(w.text[cut:], '\n') + 1
		w.drop(w.begin + uint64(cut)) //nolint:gosec // not negative
	}
	w.text = append(w.text, line...)
}

// drop removes what is before a position.
func (w *window) drop(before uint64) {
	if before <= w.begin {
		return
	}
	n := copy(w.text, w.text[min(before-w.begin, uint64(len(w.text))):])
	w.text, w.begin = w.text[:n], before
}
