package agent

import (
	"errors"
	"log/slog"
	"testing"
	"time"

	"github.com/coreos/go-systemd/v22/journal"
	"github.com/google/go-cmp/cmp"
)

func TestJournal(t *testing.T) {
	type line struct {
		Message  string
		Priority journal.Priority
		Fields   map[string]string
	}
	var got []line
	level := new(slog.LevelVar)
	log := slog.New(newJournalHandler(level, func(message string, p journal.Priority, fields map[string]string) error {
		got = append(got, line{message, p, fields})
		return nil
	}))
	log.Debug("not at this level")
	log.Info("starting")
	account := log.With(slog.Int("short_server_id", 101))
	account.Warn("trouble", slog.Any("error", errors.New("no answer")), slog.Duration("in", time.Second))
	account.WithGroup("modem").With(slog.String("name", "wwan")).Error("lost", slog.Group("cell", slog.Int("id", 7)), slog.String("mess-age", "x"))
	level.Set(slog.LevelDebug)
	log.Debug("at this one")
	const identifier, program = "SYSLOG_IDENTIFIER", "lwm2m-agent"
	want := []line{
		{"starting", journal.PriInfo, map[string]string{identifier: program}},
		{
			`trouble short_server_id=101 error="no answer" in=1s`, journal.PriWarning,
			map[string]string{identifier: program, "LWM2M_SHORT_SERVER_ID": "101", "LWM2M_ERROR": "no answer", "LWM2M_IN": "1s"},
		},
		{
			"lost short_server_id=101 modem.name=wwan modem.cell.id=7 modem.mess-age=x", journal.PriErr, map[string]string{
				identifier: program, "LWM2M_SHORT_SERVER_ID": "101", "LWM2M_MODEM_NAME": "wwan", "LWM2M_MODEM_CELL_ID": "7", "LWM2M_MODEM_MESS_AGE": "x",
			},
		},
		{"at this one", journal.PriDebug, map[string]string{identifier: program}},
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
}
