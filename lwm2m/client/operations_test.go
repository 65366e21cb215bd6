package client

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"lwm2m-agent/lwm2m"
	"lwm2m-agent/lwm2m/coap"
	"lwm2m-agent/lwm2m/model"
)

func TestRead(t *testing.T) {
	simulate(t, nil, func(l *lab) {
		l.registered()
		for _, c := range []struct {
			path   string
			accept int // negative: none
			code   coap.Code
			format lwm2m.Format
			want   string
		}{
			{"/3/0/0", -1, coap.Content, lwm2m.FormatText, "Example"},
			{"/3/0/0", 0, coap.Content, lwm2m.FormatText, "Example"},
			{"/3/0/0", 1541, coap.Content, lwm2m.FormatText, "Example"},
			{"/3/0/0", 60, coap.Content, lwm2m.FormatCBOR, "\x67Example"},
			{"/3/0/0", 11542, coap.Content, lwm2m.FormatTLV, "\xc7\x00Example"},
			{"/3/0/0", 1542, coap.Content, lwm2m.FormatTLV, "\xc7\x00Example"},
			{"/3/0/0", 110, coap.Content, lwm2m.FormatSenMLJSON, `[{"bn":"/3/0/0","vs":"Example"}]`},
			{"/3/0/6/1", -1, coap.Content, lwm2m.FormatText, "5"},
			{"/3/0/6", 110, coap.Content, lwm2m.FormatSenMLJSON, `[{"bn":"/3/0/6/","n":"0","v":1},{"n":"1","v":5}]`},
			{"/3/0/6", 0, coap.NotAcceptable, 0, "cannot be answered in text/plain"},
			{"/3/0", 60, coap.NotAcceptable, 0, ""},
			{"/3", 42, coap.NotAcceptable, 0, ""},
			{"/3/0/0", 4711, coap.NotAcceptable, 0, "content-format 4711"},
			{"/3/0/4", -1, coap.MethodNotAllowed, 0, "Reboot"},
			{"/3/0/21", -1, coap.NotFound, 0, ""},
			{"/3/0/6/9", -1, coap.NotFound, 0, ""},
			{"/3/1", -1, coap.NotFound, 0, ""},
			{"/4711/0/0", -1, coap.NotFound, 0, ""},
			{"/0", -1, coap.Unauthorized, 0, ""},
			{"/0/0/5", -1, coap.Unauthorized, 0, ""},
			{"/0/0", 4711, coap.Unauthorized, 0, ""},
			{"/21/0", -1, coap.Unauthorized, 0, ""},
			{"/", -1, coap.MethodNotAllowed, 0, ""},
			{"/dev1/3/0", -1, coap.NotFound, 0, ""},
			{"/3/0/0/0/0", -1, coap.NotFound, 0, ""},
			{"/3/00", -1, coap.NotFound, 0, ""},
			{"/65535", -1, coap.NotFound, 0, ""},
			{"/99999999999999999999", -1, coap.NotFound, 0, ""},
			{"/3/0/", -1, coap.NotFound, 0, ""},
			{"/-3", -1, coap.NotFound, 0, ""},
		} {
			m := &coap.Message{Code: coap.GET}
			m.SetPath(c.path)
			if c.accept >= 0 {
				m.SetAccept(uint16(c.accept))
			}
			got := l.do(m)
			if got.Code != c.code || !strings.Contains(string(got.Payload), c.want) {
				l.t.Errorf("GET %s, Accept %d: %v %q, want %v %q", c.path, c.accept, got.Code, got.Payload, c.code, c.want)
				continue
			}
			if f, _ := got.ContentFormat(); got.Code.IsSuccess() && (lwm2m.Format(f) != c.format || string(got.Payload) != c.want) {
				l.t.Errorf("GET %s, Accept %d: %q in %v, want %q in %v", c.path, c.accept, got.Payload, lwm2m.Format(f), c.want, c.format)
			}
		}
	})
}

// TestDefaultFormats shows what a Read without Accept gets in each version.
func TestDefaultFormats(t *testing.T) {
	for version, want := range map[lwm2m.Version]lwm2m.Format{
		lwm2m.Version10: lwm2m.FormatTLV, lwm2m.Version11: lwm2m.FormatSenMLCBOR, lwm2m.Version12: lwm2m.FormatSenMLCBOR,
	} {
		simulate(t, func(c *Config) { c.Params = func(uint16) Params { return Params{Version: version} } }, func(l *lab) {
			l.run()
			for path, want := range map[string]lwm2m.Format{"/3/0": want, "/3": want, "/3/0/6": want, "/3/0/0": lwm2m.FormatText, "/3/0/6/0": lwm2m.FormatText} {
				m := l.wantCode(l.ask(coap.GET, path), coap.Content)
				if f, _ := m.ContentFormat(); lwm2m.Format(f) != want {
					l.t.Errorf("version %v: %s comes in %v, want %v", version, path, lwm2m.Format(f), want)
				}
			}
		})
	}
}

func TestWriteAndCodes(t *testing.T) {
	simulate(t, nil, func(l *lab) {
		l.registered()
		for _, c := range []struct {
			code    coap.Code
			path    string
			format  lwm2m.Format
			payload string
			want    coap.Code
		}{
			{coap.PUT, "/3/0/15", lwm2m.FormatText, "Europe/Berlin", coap.Changed},
			{coap.PUT, "/3/0/14", lwm2m.FormatCBOR, "\x66+02:00", coap.Changed},
			{coap.POST, "/3/0", lwm2m.FormatSenMLJSON, `[{"bn":"/3/0/","n":"15","vs":"UTC"}]`, coap.Changed},
			{coap.PUT, "/1/0/2", lwm2m.FormatText, "5", coap.Changed},
			{coap.PUT, "/1/0/2", lwm2m.FormatText, "five", coap.BadRequest},
			{coap.PUT, "/1/0/2", lwm2m.FormatTLV, "\xc1\x03\x05", coap.BadRequest}, // another resource
			{coap.PUT, "/1/0/2", lwm2m.FormatTLV, "\xc1\x02", coap.BadRequest},     // truncated
			{coap.PUT, "/1/0", lwm2m.FormatSenMLCBOR, "\x9f\x9f\x9f", coap.BadRequest},
			{coap.PUT, "/1/0/2", lwm2m.FormatSenMLJSON, strings.Repeat("[", 10_000), coap.BadRequest},
			{coap.PUT, "/1/0/2", 4711, "5", coap.UnsupportedContentFormat},
			{coap.PUT, "/1/0", lwm2m.FormatText, "5", coap.UnsupportedContentFormat},
			{coap.PUT, "/3/0/0", lwm2m.FormatText, "x", coap.MethodNotAllowed},
			{coap.PUT, "/3/0/99", lwm2m.FormatText, "x", coap.NotFound},
			{coap.PUT, "/4711/0/1", lwm2m.FormatText, "x", coap.NotFound},
			{coap.PUT, "/3", lwm2m.FormatTLV, "", coap.MethodNotAllowed},
			{coap.PUT, "/", lwm2m.FormatTLV, "", coap.MethodNotAllowed},
			{coap.PUT, "/0/0/0", lwm2m.FormatText, "coap://evil.invalid", coap.Unauthorized},
			{coap.POST, "/0/0", 4711, "", coap.Unauthorized},
			{coap.POST, "/0", lwm2m.FormatTLV, "\xc1\x0a\x05", coap.Unauthorized},
			{coap.POST, "/", lwm2m.FormatText, "x", coap.MethodNotAllowed},
			{coap.POST, "/3/0/6/0", lwm2m.FormatText, "x", coap.MethodNotAllowed},
			{coap.POST, "/3/0/15", lwm2m.FormatText, "UTC", coap.BadRequest}, // no arguments of an Execute
			{coap.FETCH, "/", lwm2m.FormatSenMLJSON, "[]", coap.BadRequest},
			{coap.FETCH, "/", lwm2m.FormatSenMLJSON, `[{"n":"3"`, coap.BadRequest},
			{coap.FETCH, "/", lwm2m.FormatTLV, "", coap.UnsupportedContentFormat},
			{coap.FETCH, "/3/0", lwm2m.FormatSenMLJSON, `[{"n":"/3/0"}]`, coap.MethodNotAllowed},
			{coap.IPATCH, "/", lwm2m.FormatSenMLJSON, "[]", coap.BadRequest},
			{coap.IPATCH, "/", lwm2m.FormatText, "x", coap.UnsupportedContentFormat},
			{coap.IPATCH, "/3/0", lwm2m.FormatSenMLJSON, `[{"n":"/3/0/15","vs":"UTC"}]`, coap.MethodNotAllowed},
			{coap.PUT, "/3/0/15", lwm2m.FormatSenMLETCHJSON, `[{"n":"/3/0/15","vs":"UTC"}]`, coap.UnsupportedContentFormat},
			{coap.PATCH, "/3/0", lwm2m.FormatSenMLJSON, "[]", coap.MethodNotAllowed},
			{31, "/3/0", lwm2m.FormatText, "", coap.MethodNotAllowed},
		} {
			got := l.send(c.code, c.path, c.format, c.payload)
			if got.Code != c.want {
				l.t.Errorf("%v %s %v %.40q: %v %q, want %v", c.code, c.path, c.format, c.payload, got.Code, got.Payload, c.want)
			}
			if !got.Code.IsSuccess() && c.code <= coap.IPATCH && len(got.Payload) == 0 {
				l.t.Errorf("%v %s: %v comes without a reason", c.code, c.path, got.Code)
			}
		}
		if got := l.ask(coap.GET, "/3/0/15"); string(got.Payload) != "UTC" {
			l.t.Errorf("/3/0/15 is %q", got.Payload)
		}
		// Version 1.0 may leave the Content-Format out for a single value.
		m := &coap.Message{Code: coap.PUT, Payload: []byte("Asia/Tokyo")}
		m.SetPath("/3/0/15")
		l.wantCode(l.do(m), coap.Changed)
		m.SetPath("/3/0")
		l.wantCode(l.do(m), coap.UnsupportedContentFormat)
	})
}

// TestBodyTooLarge shows that a body over the limit is refused and does no harm.
func TestBodyTooLarge(t *testing.T) {
	simulate(t, func(c *Config) {
		c.Params = func(uint16) Params { return Params{Limits: coap.Limits{MaxBody: 10_000}} }
	}, func(l *lab) {
		l.run()
		l.wantCode(l.send(coap.PUT, "/3/0/15", lwm2m.FormatText, strings.Repeat("x", 9_000)), coap.Changed)
		l.wantCode(l.send(coap.PUT, "/3/0/15", lwm2m.FormatText, strings.Repeat("x", 11_000)), coap.RequestEntityTooLarge)
		if got := l.ask(coap.GET, "/3/0/15"); len(got.Payload) != 9_000 {
			l.t.Errorf("value has %d bytes", len(got.Payload))
		}
	})
}

func TestCreateAndDelete(t *testing.T) {
	simulate(t, nil, func(l *lab) {
		if _, err := l.tree.AddRegistered(16, model.Plain{}); err != nil {
			l.t.Fatal(err)
		}
		l.run()
		create := func(f lwm2m.Format, payload string, code coap.Code, location string) {
			l.t.Helper()
			m := l.wantCode(l.send(coap.POST, "/16", f, payload), code)
			if got := m.LocationPath(); got != location {
				l.t.Errorf("created %q, want %q", got, location)
			}
		}
		create(lwm2m.FormatTLV, "\x86\x00\x41\x00a\x41\x01b", coap.Created, "/16/0")    // the client chooses
		create(lwm2m.FormatTLV, "\x08\x07\x05\x83\x00\x41\x00a", coap.Created, "/16/7") // instance 7
		create(lwm2m.FormatSenMLJSON, `[{"bn":"/16/9/0/","n":"0","vs":"x"}]`, coap.Created, "/16/9")
		create(lwm2m.FormatSenMLJSON, `[{"bn":"/16/9/0/","n":"0","vs":"x"}]`, coap.BadRequest, "") // it is there
		create(lwm2m.FormatSenMLJSON, `[{"bn":"/16/","n":"3/0/0","vs":"x"},{"n":"4/0/0","vs":"x"}]`, coap.BadRequest, "")
		create(lwm2m.FormatTLV, "", coap.BadRequest, "") // the mandatory resource is missing
		l.wantCode(l.send(coap.POST, "/3", lwm2m.FormatTLV, ""), coap.MethodNotAllowed)
		l.wantCode(l.ask(coap.DELETE, "/16/7"), coap.Deleted)
		l.wantCode(l.ask(coap.DELETE, "/16/7"), coap.NotFound)
		l.wantCode(l.ask(coap.DELETE, "/3/0"), coap.MethodNotAllowed)
		l.wantCode(l.ask(coap.DELETE, "/16"), coap.MethodNotAllowed)
		l.wantCode(l.ask(coap.DELETE, "/"), coap.MethodNotAllowed)
		l.wantCode(l.ask(coap.DELETE, "/0/0"), coap.Unauthorized)
		l.after(2 * time.Second)
		calls := l.server.take()
		if last := calls[len(calls)-1]; !strings.HasSuffix(last.payload, "</16/0>,</16/9>,</3303>;ver=1.1,</3303/0>") {
			l.t.Errorf("object list is %s", last.payload)
		}
	})
}

// TestDeleteBelowInstances: resources and instances of them can be deleted from LwM2M 1.2 on.
func TestDeleteBelowInstances(t *testing.T) {
	for version, want := range map[lwm2m.Version]coap.Code{
		lwm2m.Version10: coap.MethodNotAllowed, lwm2m.Version11: coap.MethodNotAllowed, lwm2m.Version12: coap.Deleted,
	} {
		simulate(t, func(c *Config) { c.Params = func(uint16) Params { return Params{Version: version} } }, func(l *lab) {
			l.publish(l.accounts, func(b *model.Batch) { b.Set(0, 2, lwm2m.Integer(1)) })
			l.run()
			l.wantCode(l.ask(coap.DELETE, "/1/0/2"), want)
			if gone := l.tree.Value(lwm2m.MustPath("/1/0/2")).IsZero(); gone != (want == coap.Deleted) {
				t.Errorf("LwM2M %s: gone: %v", version, gone)
			}
		})
	}
}

// owner is an object whose Execute and Prepare do what a test says.
type owner struct {
	model.Plain
	execute func(ctx context.Context, p lwm2m.Path, args model.Arguments) error
	prepare func(ctx context.Context) error
}

func (o owner) Execute(ctx context.Context, _ model.Origin, p lwm2m.Path, args model.Arguments) error {
	return o.execute(ctx, p, args)
}

func (o owner) Prepare(ctx context.Context, _ *model.Edit) (model.Transaction, error) {
	return model.Accepted{}, o.prepare(ctx)
}

func (l *lab) outputs(o owner) {
	l.t.Helper()
	p, err := l.tree.AddRegistered(3306, o)
	if err != nil {
		l.t.Fatal(err)
	}
	l.publish(p, func(b *model.Batch) {
		b.Create(0)
		b.Set(0, 5850, lwm2m.Boolean(false))
	})
}

func TestExecute(t *testing.T) {
	simulate(t, nil, func(l *lab) {
		var got []string
		counter, err := l.tree.AddRegistered(3200, owner{execute: func(_ context.Context, p lwm2m.Path, args model.Arguments) error {
			got = append(got, fmt.Sprintf("%d %v", p.Resource(), args))
			if len(args) > 0 && args[0].ID == 9 {
				return lwm2m.Errorf(lwm2m.Forbidden, "not today")
			}
			if len(args) > 0 && args[0].ID == 8 {
				return errors.New("line 17: I/O error")
			}
			return nil
		}})
		if err != nil {
			l.t.Fatal(err)
		}
		l.publish(counter, func(b *model.Batch) {
			b.Create(0)
			b.Declare(0, 5505)
		})
		l.run()
		const reset = "/3200/0/5505"
		l.wantCode(l.ask(coap.POST, reset), coap.Changed)
		l.wantCode(l.send(coap.POST, reset, lwm2m.FormatText, "0='x',1"), coap.Changed)
		l.wantCode(l.send(coap.POST, reset, lwm2m.FormatText, "9"), coap.Forbidden)
		m := l.wantCode(l.send(coap.POST, reset, lwm2m.FormatText, "8"), coap.InternalServerError)
		if !strings.Contains(string(m.Payload), "line 17") {
			l.t.Errorf("reason is %q", m.Payload)
		}
		l.wantCode(l.send(coap.POST, reset, lwm2m.FormatText, "0,0"), coap.BadRequest)
		l.wantCode(l.send(coap.POST, reset, lwm2m.FormatTLV, "\xc1\x00\x01"), coap.UnsupportedContentFormat)
		l.wantCode(l.ask(coap.POST, "/3200/0/5500"), coap.NotFound)
		l.wantCode(l.ask(coap.POST, "/3/0/0"), coap.MethodNotAllowed)
		if want := "[5505  5505 0='x',1 5505 9 5505 8]"; fmt.Sprint(got) != want {
			l.t.Errorf("executed %v", got)
		}
	})
}

// TestHangingHardware shows that a write which hangs is answered in time, and that
// everything else goes on meanwhile: reads, notifications, Updates.
func TestHangingHardware(t *testing.T) {
	simulate(t, nil, func(l *lab) {
		l.outputs(owner{prepare: func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }})
		l.run()
		w := l.observe(temperature, -1)
		began := time.Now()
		codes := make(chan coap.Code, 2)
		for range 2 { // the second waits for the first
			go func() {
				m := &coap.Message{Code: coap.PUT, Payload: []byte("1")}
				m.SetPath("/3306/0/5850")
				m.SetContentFormat(0)
				conn := l.server.connection()
				answer, err := conn.Do(l.t.Context(), m)
				if err != nil {
					l.t.Errorf("no answer: %v", err)
					answer = &coap.Message{}
				}
				codes <- answer.Code
			}()
		}
		l.after(10 * time.Second)
		l.temperature(0, 21)
		w.want("10s 21")
		l.wantCode(l.ask(coap.GET, "/3/0/0"), coap.Content)
		for range 2 {
			if c := <-codes; c != coap.ServiceUnavailable {
				l.t.Errorf("answer is %v", c)
			}
		}
		if waited := time.Since(began); waited > 125*time.Second {
			l.t.Errorf("answered after %v", waited)
		}
	})
}

// TestManyHangingRequests shows the bound on what one server can have in progress.
func TestManyHangingRequests(t *testing.T) {
	simulate(t, func(c *Config) {
		c.Params = func(uint16) Params { return Params{Limits: coap.Limits{MaxDeferred: 1000}} }
	}, func(l *lab) {
		release := make(chan struct{})
		l.outputs(owner{prepare: func(context.Context) error { <-release; return nil }})
		l.run()
		conn := l.server.connection()
		conn.SetParams(coap.Params{NStart: 200})
		codes := make(chan coap.Code, 100)
		for range 100 {
			go func() {
				m := &coap.Message{Code: coap.PUT, Payload: []byte("1")}
				m.SetPath("/3306/0/5850")
				m.SetContentFormat(0)
				answer, err := conn.Do(l.t.Context(), m)
				if err != nil {
					answer = &coap.Message{}
				}
				codes <- answer.Code
			}()
		}
		l.after(time.Second)
		if n := len(codes); n != 100-maxChanges {
			l.t.Errorf("%d of 100 requests were refused at once, want %d", n, 100-maxChanges)
		}
		close(release)
		l.after(2 * time.Minute)
		count := make(map[coap.Code]int)
		for range 100 {
			count[<-codes]++
		}
		if count[coap.Changed] == 0 || count[coap.Changed]+count[coap.ServiceUnavailable] != 100 {
			l.t.Errorf("answers are %v", count)
		}
	})
}

func TestDiscover(t *testing.T) {
	for _, c := range []struct {
		version    lwm2m.Version
		path, want string
	}{
		{lwm2m.Version12, "/3", `</3>;ver=1.2;pmin=10,</3/0>;pmax=60,</3/0/0>,</3/0/4>,</3/0/6>;dim=2,</3/0/9>;gt=50;lt=42.2,</3/0/11>;dim=1,</3/0/13>`},
		{lwm2m.Version11, "/3/0", `</3/0>;pmax=60,</3/0/0>,</3/0/4>,</3/0/6>;dim=2,</3/0/9>;gt=50;lt=42.2,</3/0/11>;dim=1,</3/0/13>`},
		{lwm2m.Version12, "/3/0", `</3/0>;pmin=10;pmax=60,</3/0/0>,</3/0/4>,</3/0/6>;dim=2,</3/0/9>;gt=50;lt=42.2,</3/0/11>;dim=1,</3/0/13>`},
		{lwm2m.Version12, "/3/0/9", `</3/0/9>;pmin=10;pmax=60;gt=50;lt=42.2`},
		{lwm2m.Version12, "/3/0/6", `</3/0/6>;dim=2;pmin=10;pmax=60,</3/0/6/0>,</3/0/6/1>`},
		{lwm2m.Version10, "/3/0/6", `</3/0/6>;dim=2;pmin=10;pmax=60`},
		{lwm2m.Version10, "/3303", `</3303>;ver=1.1,</3303/0>,</3303/0/5700>`},
		{lwm2m.Version12, "/3?depth=0", `</3>;ver=1.2;pmin=10`},
		{lwm2m.Version12, "/3?depth=1", `</3>;ver=1.2;pmin=10,</3/0>;pmax=60`},
		{lwm2m.Version12, "/3303?depth=3", `</3303>;ver=1.1,</3303/0>,</3303/0/5700>`},
		{lwm2m.Version12, "/3/0/6?depth=0", `</3/0/6>;dim=2;pmin=10;pmax=60`},
		{lwm2m.Version11, "/3303?depth=0", `</3303>;ver=1.1,</3303/0>,</3303/0/5700>`}, // not known yet
		{lwm2m.Version12, "/3?depth=4", "4.00"},
		{lwm2m.Version12, "/3?depth=-1", "4.00"},
		{lwm2m.Version12, "/3/0/6/0", "4.05"},
		{lwm2m.Version12, "/3/0/22", "4.04"},
		{lwm2m.Version12, "/4711", "4.04"},
		{lwm2m.Version12, "/0", "4.01"},
		{lwm2m.Version12, "/", "4.05"},
	} {
		simulate(t, func(conf *Config) {
			conf.Params = func(uint16) Params { return Params{Version: c.version} }
		}, func(l *lab) {
			l.run()
			l.wantCode(l.ask(coap.PUT, "/3", "pmin=10"), coap.Changed)
			l.wantCode(l.ask(coap.PUT, "/3/0", "pmax=60"), coap.Changed)
			l.wantCode(l.ask(coap.PUT, "/3/0/9", "gt=50", "lt=42.2"), coap.Changed)
			m := &coap.Message{Code: coap.GET}
			path, query, ok := strings.Cut(c.path, "?")
			m.SetPath(path)
			if ok {
				m.AddQuery(query)
			}
			m.SetAccept(uint16(lwm2m.FormatLink))
			got := l.do(m)
			text := string(got.Payload)
			if !got.Code.IsSuccess() {
				text = got.Code.String()
			}
			if text != c.want {
				l.t.Errorf("version %v, %s: %s\nwant %s", c.version, c.path, text, c.want)
			}
		})
	}
}

// TestFormatsOfVersions shows that a server gets and gives no format that its version
// does not have.
func TestFormatsOfVersions(t *testing.T) {
	for version, has := range map[lwm2m.Version]map[lwm2m.Format]bool{
		lwm2m.Version10: {lwm2m.FormatOMAJSON: true, lwm2m.FormatOldJSON: true, lwm2m.FormatLwM2MCBOR: false},
		lwm2m.Version11: {lwm2m.FormatOMAJSON: false, lwm2m.FormatOldJSON: false, lwm2m.FormatLwM2MCBOR: false},
		lwm2m.Version12: {lwm2m.FormatOMAJSON: false, lwm2m.FormatOldJSON: false, lwm2m.FormatLwM2MCBOR: true},
	} {
		simulate(t, func(c *Config) { c.Params = func(uint16) Params { return Params{Version: version} } }, func(l *lab) {
			l.run()
			payloads := map[lwm2m.Format][2]string{ // of a Read of /3/0/9, and of a Write of /3/0/15
				lwm2m.FormatOMAJSON:   {`{"bn":"/3/0/9","e":[{"v":80}]}`, `{"e":[{"sv":"UTC"}]}`},
				lwm2m.FormatOldJSON:   {`{"bn":"/3/0/9","e":[{"v":80}]}`, `{"bn":"/3/0/15","e":[{"sv":"UTC"}]}`},
				lwm2m.FormatLwM2MCBOR: {"\xa1\x03\xa1\x00\xa1\x09\x18\x50", "\xa1\x03\xa1\x00\xa1\x0f\x63UTC"},
			}
			for f, known := range has {
				read, write := coap.NotAcceptable, coap.UnsupportedContentFormat
				if known {
					read, write = coap.Content, coap.Changed
				}
				m := &coap.Message{Code: coap.GET}
				m.SetPath("/3/0/9")
				m.SetAccept(uint16(f))
				if got := l.wantCode(l.do(m), read); known && string(got.Payload) != payloads[f][0] {
					l.t.Errorf("version %v: /3/0/9 in %v is %q", version, f, got.Payload)
				}
				l.wantCode(l.send(coap.PUT, "/3/0/15", f, payloads[f][1]), write)
			}
		})
	}
}
