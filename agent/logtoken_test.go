package agent

import (
	"bytes"
	"log/slog"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"lwm2m-agent/agent/health"
	"lwm2m-agent/lwm2m"
	"lwm2m-agent/lwm2m/coap"
	"lwm2m-agent/lwm2m/server"
)

// TestLogFollowsARequest: the token of a server's request is with what the log says of it, down to the output that it sets, and of no other.
func TestLogFollowsARequest(t *testing.T) {
	l := newLab(t)
	var log lockedBuffer
	l.log = slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	tokens := make(map[string]string) // by method and path
	a, stop := l.run(t, l.config(), func(a *Agent) {
		a.opts.Trace = func(d coap.Direction, datagram []byte) {
			if m, err := coap.Parse(datagram); err == nil && d == coap.Received && m.Path() != "" {
				tokens[m.Code.String()+" "+m.Path()] = m.Token.String()
			}
		}
	})
	<-a.board.Hardware().Ready()
	l.next(t, server.Registered)
	relay, missing := lwm2m.MustPath("/3306/0/5850"), lwm2m.MustPath("/3306/9/5850")
	for _, path := range []lwm2m.Path{relay, missing} {
		err := l.client(t).Replace(t.Context(), path, lwm2m.FormatText, []lwm2m.Node{{Path: path, Value: lwm2m.Boolean(true)}})
		if (err == nil) != (path == relay) {
			t.Fatalf("%s: %v", path, err)
		}
	}
	stop()
	for line, request := range map[string]string{
		`msg=set actuator=relay channel=state value=true`: "PUT /3306/0/5850",
		`msg="request carried out"`:                       "PUT /3306/0/5850",
		`msg="request refused"`:                           "PUT /3306/9/5850",
	} {
		found := ""
		for text := range strings.Lines(string(log.bytes())) {
			if strings.Contains(text, line) {
				found = text
			}
		}
		if m := regexp.MustCompile(`token=(\S+)`).FindStringSubmatch(found); m == nil || m[1] != tokens[request] {
			t.Errorf("%s has token %s, and the log says %q", request, tokens[request], found)
		}
	}
	if tokens["PUT /3306/0/5850"] == tokens["PUT /3306/9/5850"] {
		t.Error("both requests have one token")
	}
}

// TestTroubleIsLoggedOnce: a server that cannot be reached is one line of the log, with what to do.
func TestTroubleIsLoggedOnce(t *testing.T) {
	l := newLab(t)
	var log lockedBuffer
	l.log = slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	cfg := l.config()
	cfg.Servers[0].URI = &url.URL{Scheme: "coap+tcp", Host: "127.0.0.1:1"} // where nothing listens
	a, stop := l.run(t, cfg)
	a.await(t, health.ServerUnreachable, true)
	wait(t, "what health says", func() bool { return bytes.Contains(log.bytes(), []byte("code=server-unreachable")) })
	stop()
	said := 0
	for line := range strings.Lines(string(log.bytes())) {
		if strings.Contains(line, "level=WARN") && strings.Contains(line, "connection refused") {
			if said++; !strings.Contains(line, "remedy=") {
				t.Errorf("without what to do: %s", line)
			}
		}
	}
	if said != 1 {
		t.Errorf("said %d times, want once: %s", said, log.bytes())
	}
}

// TestTroubleOfTheStartIsLogged: what was wrong before anybody could hear of it is a line of the log like any other trouble.
func TestTroubleOfTheStartIsLogged(t *testing.T) {
	l := newLab(t)
	var log lockedBuffer
	l.log = slog.New(slog.NewTextHandler(&log, nil))
	cfg := l.config()
	cfg.Servers = nil
	l.run(t, cfg)
	wait(t, "a line", func() bool { return bytes.Contains(log.bytes(), []byte("level=WARN msg=trouble code=server-missing")) })
}
