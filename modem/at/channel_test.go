package at

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"lwm2m-agent/modem/at/attest"
)

// lab is a channel with a simulated modem at its other end.
type lab struct {
	*Channel
	modem *attest.Modem
	peer  net.Conn
	ended chan error

	mu    sync.Mutex
	urcs  []string
	close context.CancelFunc
}

func newLab(t *testing.T) *lab {
	t.Helper()
	near, far := net.Pipe()
	l := &lab{modem: attest.New(nil), peer: far, ended: make(chan error, 1)}
	l.Channel = NewChannel(near, func(line string) {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.urcs = append(l.urcs, line)
	})
	ctx, cancel := context.WithCancel(t.Context())
	l.close = cancel
	var wait sync.WaitGroup
	wait.Go(func() { l.modem.Serve(far) })
	wait.Go(func() { l.ended <- l.Run(ctx) })
	t.Cleanup(func() {
		cancel()
		wait.Wait()
	})
	return l
}

func (l *lab) heardLines() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.urcs)
}

// TestTranscripts plays what is recorded in testdata/channel*.at: "do" commands, what
// must be sent for them, what comes, and what must become of it.
func TestTranscripts(t *testing.T) {
	files, err := filepath.Glob("testdata/channel/*.at")
	if err != nil || len(files) == 0 {
		t.Fatalf("%v, %v", files, err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			f, err := os.Open(file)
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			lines, err := attest.ReadLines(f)
			if err != nil {
				t.Fatal(err)
			}
			synctest.Test(t, func(t *testing.T) { play(t, lines) })
		})
	}
}

// step is a command of a transcript with what belongs to it.
type step struct {
	command Command
	traffic []attest.Line
	want    []string
	wantErr string
	unasked []string
	nothing bool // no command: only what comes by itself
}

func steps(lines []attest.Line) []step {
	var out []step
	for _, l := range lines {
		if l.Mark == '?' || l.Mark == '.' {
			text, prefix, _ := strings.Cut(l.Text, " | ")
			out = append(out, step{command: Command{Text: text, Prefix: prefix}, nothing: l.Mark == '.'})
			continue
		}
		s := &out[len(out)-1]
		switch l.Mark {
		case '>', '<':
			s.traffic = append(s.traffic, l)
		case '=':
			s.want = append(s.want, l.Text)
		case '!':
			s.wantErr = l.Text
		case '~':
			s.unasked = append(s.unasked, l.Text)
		}
	}
	return out
}

// peer is the modem of a transcript.
func peer(t *testing.T, port io.ReadWriter, traffic []attest.Line) {
	t.Helper()
	for _, l := range traffic {
		if l.Mark == '<' {
			if _, err := io.WriteString(port, l.Text); err != nil {
				t.Error(err)
			}
			continue
		}
		got := make([]byte, len(l.Text))
		if _, err := io.ReadFull(port, got); err != nil || string(got) != l.Text {
			t.Errorf("sent %q, %v; want %q", got, err, l.Text)
		}
	}
}

func play(t *testing.T, lines []attest.Line) {
	t.Helper()
	near, far := net.Pipe()
	var urcs []string
	c := NewChannel(near, func(line string) { urcs = append(urcs, line) })
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- c.Run(ctx) }()
	for _, s := range steps(lines) {
		urcs = nil
		go peer(t, far, s.traffic)
		if !s.nothing {
			got, err := c.Do(ctx, s.command)
			if !slices.Equal(got, s.want) || (err == nil) != (s.wantErr == "") || err != nil && !strings.Contains(err.Error(), s.wantErr) {
				t.Errorf("%s: %q, %v; want %q, %s", s.command.Text, got, err, s.want, s.wantErr)
			}
		}
		synctest.Wait()
		if !slices.Equal(urcs, s.unasked) {
			t.Errorf("%s: by itself it said %q, want %q", s.command.Text, urcs, s.unasked)
		}
	}
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

// TestLateAnswer loses the answer of one command until after its time: the next
// command must not get it.
func TestLateAnswer(t *testing.T) {
	for _, knowsQuestion := range []bool{true, false} {
		for _, late := range []time.Duration{time.Millisecond, 900 * time.Millisecond, 4 * time.Second, 8 * time.Second} {
			synctest.Test(t, func(t *testing.T) {
				l := newLab(t)
				l.modem.Set("AT+CSQ", "+CSQ: 18,99", "OK")
				l.modem.Set("AT+COPS?") // nothing
				if knowsQuestion {
					l.modem.Set("AT+CMEE?", "+CMEE: 1", "OK")
				}
				if _, err := l.Do(t.Context(), Command{Text: "+COPS?", Prefix: "+COPS:", Limit: time.Second}); !errors.Is(err, ErrSilent) {
					t.Fatal(err)
				}
				l.modem.Silence(true) // it does one thing after the other
				time.AfterFunc(late, func() {
					_ = l.modem.Say("+COPS: 0", "OK")
					l.modem.Silence(false)
				})
				got, err := l.Do(t.Context(), Command{Text: "+CSQ", Prefix: "+CSQ:"})
				if !slices.Equal(got, []string{"+CSQ: 18,99"}) || err != nil {
					t.Errorf("answered %v late, question known %v: %q, %v", late, knowsQuestion, got, err)
				}
			})
		}
	}
}

func TestNeverAnswers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t)
		l.modem.Silence(true)
		begin := time.Now()
		for range 2 {
			if _, err := l.Do(t.Context(), Command{Text: "+CSQ", Prefix: "+CSQ:"}); !errors.Is(err, ErrSilent) {
				t.Fatal(err)
			}
		}
		if took, want := time.Since(begin), DefaultLimit+maxQuestions*questionTime; took != want {
			t.Errorf("took %v, want %v", took, want)
		}
		l.modem.Silence(false)
		l.modem.Set("AT+CMEE?", "+CMEE: 1", "OK")
		l.modem.Set("AT+CSQ", "+CSQ: 1,99", "OK")
		if got, err := l.Do(t.Context(), Command{Text: "+CSQ", Prefix: "+CSQ:"}); len(got) != 1 || err != nil {
			t.Errorf("after the silence: %q, %v", got, err)
		}
	})
}

func TestRestartInMidCommand(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t)
		l.modem.Handle("AT+COPS=", func(string) string { return "RDY\nAPP RDY" })
		if _, err := l.Do(t.Context(), Command{Text: "+COPS=0", Limit: time.Minute}); !errors.Is(err, ErrRestarted) {
			t.Error(err)
		}
		synctest.Wait()
		if got := l.heardLines(); !slices.Equal(got, []string{"RDY", "APP RDY"}) {
			t.Errorf("heard %q", got)
		}
	})
}

// TestPrompt sends text after a prompt, and gets out of one that came too late.
func TestPrompt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		near, far := net.Pipe()
		c := NewChannel(near, func(string) {})
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- c.Run(ctx) }()
		expect := func(want, answer string) {
			got := make([]byte, 64)
			n, err := far.Read(got)
			if string(got[:n]) != want || err != nil {
				t.Errorf("sent %q, %v; want %q", got[:n], err, want)
			}
			_, _ = far.Write([]byte(answer))
		}
		go func() {
			expect("AT+CMGS=21\r", "\r\n> ")
			expect("0011\x1a", "\r\n+CMGS: 7\r\n\r\nOK\r\n")
			expect("AT+CMGS=22\r", "")
			expect("\x1bAT+CMEE?\r", "\r\n> \r\n+CMEE: 1\r\nOK\r\n")
			expect("AT\r", "OK\r\n")
		}()
		got, err := c.Do(ctx, Command{Text: "+CMGS=21", Prefix: "+CMGS:", Data: "0011"})
		if !slices.Equal(got, []string{"+CMGS: 7"}) || err != nil {
			t.Errorf("%q, %v", got, err)
		}
		if _, err := c.Do(ctx, Command{Text: "+CMGS=22", Prefix: "+CMGS:", Data: "0011"}); !errors.Is(err, ErrSilent) {
			t.Error(err)
		}
		if _, err := c.Do(ctx, Command{}); err != nil {
			t.Error(err)
		}
		cancel()
		<-ended
	})
}

func TestPortVanishes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t)
		l.modem.Silence(true)
		time.AfterFunc(time.Second, func() { _ = l.peer.Close() })
		if _, err := l.Do(t.Context(), Command{Text: "+CSQ", Prefix: "+CSQ:"}); !errors.Is(err, ErrClosed) {
			t.Error(err)
		}
		if err := <-l.ended; err == nil {
			t.Error("it has ended without an error")
		}
		if _, err := l.Do(t.Context(), Command{Text: "+CSQ"}); !errors.Is(err, ErrClosed) {
			t.Error(err)
		}
	})
}

// TestNotTaken has a port that takes nothing: the channel must end, not hang.
func TestNotTaken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		near, far := net.Pipe()
		defer far.Close()
		c := NewChannel(near, func(string) {})
		ended := make(chan error, 1)
		go func() { ended <- c.Run(t.Context()) }()
		if _, err := c.Do(t.Context(), Command{Text: "+CSQ"}); !errors.Is(err, ErrClosed) {
			t.Error(err)
		}
		if err := <-ended; !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Error(err)
		}
	})
}

func TestCallerGone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t)
		l.modem.Set("AT+CMEE?", "+CMEE: 1", "OK")
		l.modem.Set("AT+COPS=?")
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := l.Do(ctx, Command{Text: "+COPS=?", Prefix: "+COPS:", Limit: 3 * time.Minute}); !errors.Is(err, context.DeadlineExceeded) {
			t.Error(err)
		}
		if _, err := l.Do(t.Context(), Command{Text: ""}); !refused(err) {
			t.Errorf("the next command: %v", err)
		}
	})
}

// TestWhatCannotBeSent is about parameters that would be commands of their own.
func TestWhatCannotBeSent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t)
		for _, text := range []string{"+CGDCONT=1,\"IP\",\"x\"\rAT+CFUN=0", "+X=\n", "+X=\x1a", "+X=é", "+X=" + strings.Repeat("x", maxCommand)} {
			if _, err := l.Do(t.Context(), Command{Text: text}); err == nil || strings.Contains(err.Error(), "CFUN") {
				t.Errorf("%.20q: %v", text, err)
			}
		}
		if _, err := quote("the APN", `a"b`); err == nil {
			t.Error("a quote within a string was taken")
		}
		if got := l.modem.Commands(); len(got) != 0 {
			t.Errorf("sent %q", got)
		}
	})
}

func TestNoSecretInErrors(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t)
		_, err := l.Do(t.Context(), Command{Text: `+CPIN="4711"`})
		if err == nil || strings.Contains(err.Error(), "4711") {
			t.Error(err)
		}
	})
}

func TestLongAnswerIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t)
		l.modem.Handle("AT+X", func(string) string { return strings.Repeat("+X: 1\n", 10*maxLines) + "OK" })
		got, err := l.Do(t.Context(), Command{Text: "+X", Prefix: "+X:"})
		if len(got) != maxLines || err != nil {
			t.Errorf("%d lines, %v", len(got), err)
		}
	})
}
