package at

import (
	"fmt"
	"strings"
	"time"
)

// After an answer was given up, the next final result code may be that of the lost
// command. So before the next command goes out, a question is asked whose answer
// cannot be mistaken, AT+CMEE? (3GPP TS 27.007, clause 9.1): nobody else asks it, so
// the result code that follows "+CMEE:" is that of the question, and as a modem does
// one command after the other nothing is owed then. A modem that does not know the
// question gives an error: then quiet must follow.

const (
	question      = "AT+CMEE?"
	questionReply = "+CMEE:"

	questionTime = 3 * time.Second // for an answer to the question
	quietTime    = time.Second     // for a result code that follows another
	maxQuestions = 3
)

// resync is how far the channel is on its way back.
type resync struct {
	asked   int  // questions sent
	replied int  // lines that answered them
	ended   bool // a final result code has come since the last question
}

// probe sends the question.
func (c *Channel) probe() error {
	c.resync.asked++
	c.resync.ended = false
	c.echo = question
	c.deadline.Reset(questionTime)
	text := question + "\r"
	text, c.escape = c.escape+text, ""
	return c.write(text)
}

// stray takes a line that comes while an answer is owed.
func (c *Channel) stray(line string) error {
	_, ended := final(line, question)
	switch {
	case c.now == nil: // the owed answer, or part of it; what a URC among it says is asked again
		if !ended {
			c.heard(line)
		}
		return nil
	case strings.HasPrefix(line, questionReply):
		c.resync.replied++
	case !ended:
		c.heard(line)
	case c.resync.replied == c.resync.asked:
		return c.clean()
	default:
		c.resync.ended = true
		c.deadline.Reset(quietTime)
	}
	return nil
}

// clean lets the command go out that waited.
func (c *Channel) clean() error {
	c.dirty = false
	return c.send()
}

// late is called when the time is up for what is under way.
func (c *Channel) late() error {
	switch {
	case c.now == nil:
		return nil
	case c.holding:
		c.holding = false
		c.deadline.Reset(c.now.limit)
		return c.write(c.now.data())
	case !c.dirty:
		c.giveUp(ErrSilent)
	case c.resync.ended:
		return c.clean()
	case c.resync.asked < maxQuestions:
		return c.probe()
	default:
		c.finish(fmt.Errorf("%s: %w", c.now.name(), ErrSilent)) // and it stays owed
	}
	return nil
}
