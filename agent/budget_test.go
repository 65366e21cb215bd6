//go:build !small

package agent

import (
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"lwm2m-agent/agent/config"
	"lwm2m-agent/agent/demo"
	"lwm2m-agent/agent/health"
	"lwm2m-agent/fota"
	"lwm2m-agent/lwm2m"
	"lwm2m-agent/lwm2m/server"
)

// later runs an agent whose clock is ahead by some time, until the returned function is called.
func (l *lab) later(t *testing.T, cfg *config.Config, ahead time.Duration) (*Agent, func()) {
	t.Helper()
	a, err := New(Options{
		Config: cfg, Version: "test", Control: &demo.Machine{Say: func(string) {}}, Log: slog.New(slog.DiscardHandler), SoftReboot: true,
		Now: func() time.Time { return time.Now().Add(ahead) },
	})
	if err != nil {
		t.Fatal(err)
	}
	return a, start(t, a)
}

// notifiedUntil returns what a server knows by notifications, and how many they were, when a resource has a value.
func (l *lab) notifiedUntil(t *testing.T, path string, v lwm2m.Value) (seen map[string]lwm2m.Value, notifications int) {
	t.Helper()
	seen = make(map[string]lwm2m.Value)
	for seen[path] != v {
		notifications++
		clear(seen)
		for _, n := range l.next(t, server.Notified).Nodes {
			seen[n.Path.String()] = n.Value
		}
	}
	return seen, notifications
}

// TestDataBudget: a download by HTTP from a real server stops when it has cost what a day may, shows it, and goes on there on the next day, after
// restarts. Nothing is asked for meanwhile. A server that observes object 26243 sees it in a handful of notifications.
func TestDataBudget(t *testing.T) {
	content := packageOf("2.0", 2_000_000)
	web := newFailing(t, content, `"v2"`, len(content)+1)
	l := newLab(t)
	cfg := l.config()
	cfg.Firmware = &config.Firmware{
		Backend: config.FirmwareFile, Confirm: time.Second, Limit: time.Second, MaxSize: 32 << 20, MaxRate: 4_000_000, Patience: time.Minute,
		Budget: config.DataBudget{Bytes: 1_500_000},
	}
	a, stop := l.later(t, cfg, 0)
	l.next(t, server.Registered)
	if _, err := l.client(t).Observe(t.Context(), lwm2m.MustPath("/26243/0")); err != nil {
		t.Fatal(err)
	}
	path := lwm2m.MustPath("/5/0/1")
	if err := l.client(t).Replace(t.Context(), path, lwm2m.FormatText, []lwm2m.Node{{Path: path, Value: lwm2m.String(web.URL + "/gateway")}}); err != nil {
		t.Fatal(err)
	}
	trouble := a.await(t, health.FirmwareBudget, true)
	shown, err := localFirmware{a.firmware}.Firmware(t.Context())
	if err != nil || shown.Wait == nil || shown.Wait.For != string(fota.ForDataBudget) || shown.Data == nil || shown.Data.Used < 1_500_000 || shown.Data.Used > 1_700_000 || shown.State != "downloading" {
		t.Fatalf("%+v, %v", shown, err)
	}
	if shown.OnDisk < 1_300_000 || shown.OnDisk > shown.Data.Used || !strings.Contains(trouble.Detail, shown.Wait.Until.Format(time.RFC3339)) {
		t.Errorf("%d bytes came for %d; %s", shown.OnDisk, shown.Data.Used, trouble.Detail)
	}
	seen, notifications := l.notifiedUntil(t, "/26243/0/4", lwm2m.String(string(fota.ForDataBudget)))
	if seen["/26243/0/0"].Text() != "fetching" || seen["/26243/0/1"].Int() != shown.OnDisk || seen["/26243/0/2"].Int() != int64(len(content)) ||
		!seen["/26243/0/5"].Time().Equal(shown.Wait.Until) || seen["/26243/0/7"].Int() != shown.Data.Used || seen["/26243/0/8"].Int() != 1_500_000 {
		t.Errorf("the server has seen %v, want %+v", seen, shown)
	}
	if notifications > 4 { // a phase, the size, once a part, the wait
		t.Errorf("%d notifications", notifications)
	}
	if midnight := shown.Wait.Until.Local(); midnight.Hour() != 0 || midnight.Minute() != 0 || time.Until(midnight) > 25*time.Hour {
		t.Errorf("it goes on at %s", midnight)
	}
	stop()
	a, stop = l.later(t, cfg, 0)
	a.await(t, health.FirmwareBudget, true)
	stop()
	a, stop = l.later(t, cfg, 49*time.Hour)
	defer stop()
	u := updating{lab: l, T: t, agent: a}
	u.sub = a.tree.Subscribe()
	u.sub.Watch(lwm2m.MustPath("/5/0"))
	defer u.sub.Close()
	u.until(fota.Downloaded, fota.Initial)
	a.await(t, health.FirmwareBudget, false)
	if asked, want := fmt.Sprint(web.requests()), fmt.Sprintf("[/gateway  /gateway bytes=%d-]", shown.OnDisk); asked != want {
		t.Errorf("it was asked for %s, want %s", asked, want)
	}
	if s := a.firmware.now.Load().Status(); s.Spent < 400_000 || s.Spent > 900_000 {
		t.Errorf("the new day has cost %d bytes", s.Spent)
	}
}

// TestBudgetForCellular: what goes over Ethernet counts only if everything does.
func TestBudgetForCellular(t *testing.T) {
	for _, c := range []struct {
		cellular bool
		bearer   config.Bearer
		counts   bool
	}{
		{false, config.BearerEthernet, true},
		{true, config.BearerEthernet, false},
		{true, config.BearerWLAN, false},
		{true, config.BearerLTE, true},
		{true, config.BearerNBIoT, true},
	} {
		t.Run(fmt.Sprint(c.cellular, " ", c.bearer), func(t *testing.T) {
			content := packageOf("2.0", 20_000)
			constrained := depot(t, content)
			u := newUpdating(t, func(cfg *config.Config) {
				cfg.Servers[0].Bearer = c.bearer
				cfg.Firmware.Budget, cfg.Firmware.Cellular = config.DataBudget{Bytes: 1e6}, c.cellular
			})
			u.must(u.write("/5/0/1", lwm2m.String(constrained+"gateway?v=2")))
			u.until(fota.Downloaded, fota.Initial)
			spent := u.agent.firmware.now.Load().Status().Spent
			if size := int64(len(content)); c.counts && (spent < size*105/100 || spent > size*140/100) || !c.counts && spent != 0 {
				t.Errorf("%d bytes of content have cost %d", size, spent)
			}
		})
	}
}
