package swupdate

import (
	"context"
	"errors"
	"net"
	"os"
	"slices"
	"strings"
	"time"

	"lwm2m-agent/fota"
)

// How long the daemon may say nothing until it is asked what it does: before it has
// begun, and then. One that has lost a notification does not repeat it.
const (
	beginTime = 3 * time.Second
	quiet     = 30 * time.Second
)

// errNotBegun is of a request that was accepted and forgotten: SWUpdate 2022.12 does
// that with one that comes when it has just come to its end.
var errNotBegun = errors.New("SWUpdate has accepted the package and does not begin")

// listener collects what the daemon says of one installation.
type listener struct {
	dry         bool
	began, good bool
	words       []string
	sum         string // of them, for when nothing else is said
}

// hear follows what the daemon says until it is idle again.
func (b *Backend) hear(ctx context.Context, conn net.Conn, dry bool) error {
	l := listener{dry: dry}
	m := make([]byte, messageSize)
	for have := 0; ; {
		wait := b.quiet
		if !l.began {
			wait = b.beginTime
		}
		err := conn.SetReadDeadline(time.Now().Add(wait))
		n := 0
		if err == nil {
			n, err = conn.Read(m[have:])
		}
		have += n
		switch {
		case have == len(m):
			have = 0
			n, err := readNotification(m)
			if err != nil {
				return fota.Failf(fota.UpdateFailed, "%v", err)
			}
			if over, err := l.take(n); over {
				return err
			}
		case errors.Is(err, os.ErrDeadlineExceeded):
			s, err := b.status(ctx)
			if err != nil {
				return fota.Failf(fota.UpdateFailed, "%v", err)
			}
			if s.now == stateIdle && !l.began {
				return errNotBegun
			}
			if s.now == stateIdle {
				l.good = s.last == stateSuccess
				_, err := l.take(notification{state: stateIdle})
				return err
			}
		case err != nil:
			return fota.Failf(fota.UpdateFailed, "SWUpdate has ended; look at its log: %v", err)
		}
	}
}

// take takes a notification. The daemon has come to an end when it is idle.
func (l *listener) take(n notification) (over bool, err error) {
	switch n.state {
	case stateStart:
		l.began, l.good, l.words = true, false, nil
	case stateSuccess:
		l.began, l.good = true, true
	case stateFailure:
		l.began = true
		if n.code != 0 {
			l.sum = n.text
		} else if len(l.words) < maxWords {
			l.words = append(l.words, strings.TrimPrefix(n.text, "ERROR : "))
		}
	case stateIdle:
		if !l.began || l.good {
			return l.began, nil
		}
		if len(l.words) == 0 {
			l.words = []string{l.sum}
		}
		return true, verdict(strings.Join(l.words, "; "), l.dry)
	}
	return false, nil
}

// maxWords is how many errors of the daemon are kept.
const maxWords = 5

// signs are words of SWUpdate's errors and what they mean for the server. SWUpdate
// gives no numbers.
var signs = []struct {
	words  []string
	result fota.Result
}{
	{[]string{"no space", "not enough", "too large", "too big", "exceed"}, fota.NoStorage},
	{[]string{"signature", "authentic", "verif", "hash", "checksum", "cms", "corrupt"}, fota.IntegrityFailure},
	{[]string{"compatib", "hardware", "hw revision", "not found in sw-description", "selection", "no handler", "handler not"}, fota.UnsupportedPackage},
}

func verdict(said string, dry bool) error {
	result := fota.UpdateFailed
	if dry {
		result = fota.IntegrityFailure
	}
	text := strings.ToLower(said)
	has := func(words string) bool { return strings.Contains(text, words) }
	for _, sign := range signs {
		if slices.ContainsFunc(sign.words, has) {
			result = sign.result
			break
		}
	}
	return fota.Failf(result, "SWUpdate: %s", said)
}
