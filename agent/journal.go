package agent

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"os"
	"slices"
	"strings"
	"sync"

	"github.com/coreos/go-systemd/v22/journal"
)

// newLogger returns what writes a program's log to w: into systemd's journal if w is standard error and that leads
// there, else as lines of text.
func newLogger(w io.Writer, level slog.Leveler) *slog.Logger {
	if inJournal, err := journal.StderrIsJournalStream(); w == os.Stderr && inJournal && err == nil {
		return slog.New(newJournalHandler(level, journal.Send))
	}
	return slog.New(slog.NewTextHandler(w, &slog.HandlerOptions{Level: level}))
}

// journalPrefix begins the names of the fields that the attributes of a line become, which are in capitals then:
// LWM2M_SHORT_SERVER_ID (systemd.journal-fields(7)).
const journalPrefix = "LWM2M_"

// journalHandler gives lines to the journal: each with its level as the priority, and with its attributes as they
// are read by people and as fields to look for.
type journalHandler struct {
	level  slog.Leveler
	send   func(message string, p journal.Priority, fields map[string]string) error
	fields []slog.Attr // of all lines, with their groups in the names
	group  string      // with an underscore at its end, or empty
	text   slog.Handler
	out    *lines // of text
}

// lines is what text has written of one line.
type lines struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func newJournalHandler(level slog.Leveler, send func(string, journal.Priority, map[string]string) error) *journalHandler {
	h := &journalHandler{level: level, send: send, out: new(lines)}
	h.text = slog.NewTextHandler(&h.out.buf, &slog.HandlerOptions{Level: level, ReplaceAttr: func(groups []string, a slog.Attr) slog.Attr {
		if len(groups) == 0 && slices.Contains([]string{slog.TimeKey, slog.LevelKey, slog.MessageKey}, a.Key) {
			return slog.Attr{} // the journal has places for them
		}
		return a
	}})
	return h
}

// Enabled implements slog.Handler.
func (h *journalHandler) Enabled(_ context.Context, l slog.Level) bool { return l >= h.level.Level() }

// Handle implements slog.Handler.
func (h *journalHandler) Handle(ctx context.Context, r slog.Record) error {
	fields := map[string]string{"SYSLOG_IDENTIFIER": "lwm2m-agent"}
	for _, a := range h.fields {
		enterField(fields, "", a)
	}
	r.Attrs(func(a slog.Attr) bool {
		enterField(fields, h.group, a)
		return true
	})
	h.out.mu.Lock()
	defer h.out.mu.Unlock()
	h.out.buf.Reset()
	if err := h.text.Handle(ctx, r); err != nil {
		return err
	}
	return h.send(strings.TrimSpace(r.Message+" "+h.out.buf.String()), priority(r.Level), fields)
}

// WithAttrs implements slog.Handler.
func (h *journalHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	next := *h
	next.text = h.text.WithAttrs(attrs)
	next.fields = slices.Clone(h.fields)
	for _, a := range attrs {
		a.Key = h.group + a.Key
		next.fields = append(next.fields, a)
	}
	return &next
}

// WithGroup implements slog.Handler.
func (h *journalHandler) WithGroup(name string) slog.Handler {
	next := *h
	next.text = h.text.WithGroup(name)
	next.group = h.group + name + "_"
	return &next
}

// enterField enters an attribute, and those of a group one by one.
func enterField(fields map[string]string, group string, a slog.Attr) {
	v := a.Value.Resolve()
	if v.Kind() == slog.KindGroup {
		for _, in := range v.Group() {
			enterField(fields, group+a.Key+"_", in)
		}
		return
	}
	fields[journalPrefix+strings.Map(fieldLetter, group+a.Key)] = v.String()
}

// fieldLetter returns what stands for a letter in the name of a field.
func fieldLetter(r rune) rune {
	switch {
	case r >= 'a' && r <= 'z':
		return r - 'a' + 'A'
	case r >= 'A' && r <= 'Z', r >= '0' && r <= '9':
		return r
	}
	return '_'
}

func priority(l slog.Level) journal.Priority {
	switch {
	case l >= slog.LevelError:
		return journal.PriErr
	case l >= slog.LevelWarn:
		return journal.PriWarning
	case l >= slog.LevelInfo:
		return journal.PriInfo
	}
	return journal.PriDebug
}
