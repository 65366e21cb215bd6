package agent

import (
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"lwm2m-agent/agent/config"
	"lwm2m-agent/lwm2m"
	"lwm2m-agent/lwm2m/model"
	"lwm2m-agent/lwm2m/server"
	"lwm2m-agent/test/process"
	"lwm2m-agent/test/workspace"
)

// reading returns a value with its time and quality.
func (g *gateway) reading(t *testing.T, path string) model.Reading {
	t.Helper()
	readings, err := g.tree.Readings(model.FromLocal(), lwm2m.MustPath(path))
	if err != nil || len(readings) != 1 {
		t.Fatalf("%s: %v, %v", path, readings, err)
	}
	return readings[0]
}

// TestCompositeOverTwoApplications: one of two programs refuses, so nothing has
// happened anywhere, and the other one is told to undo its part.
func TestCompositeOverTwoApplications(t *testing.T) {
	l := newLab(t)
	g := l.serve(t, l.withApps(config.App{Name: "a", User: "nobody", Objects: []uint16{3311}}, config.App{Name: "b", User: "nobody", Objects: []uint16{3306}}))
	l.next(t, server.Registered)
	a, b := g.program(t, "a"), g.program(t, "b")
	a.must(http.MethodPut, "", `{"objects": [3311], "instances": {"/3311/0": {"5850": false, "5851": 10}}}`)
	b.must(http.MethodPut, "", `{"objects": [3306], "instances": {"/3306/0": {"5850": false}}}`)
	ofA, ofB := a.listen(), b.listen()
	nodes := []lwm2m.Node{
		place("/3306/0/5850", lwm2m.Boolean(true)), place("/3311/0/5850", lwm2m.Boolean(true)), place("/3311/0/5851", lwm2m.Integer(90)),
	}
	answered := make(chan error, 1)
	write := func() { answered <- l.client(t).WriteComposite(t.Context(), lwm2m.FormatSenMLCBOR, nodes) }
	go write()
	agreed := ofB.answer(`{"ok": true}`)
	r := ofA.answer(`{"error": "4.00", "message": "too bright"}`)
	if want := map[string]any{"5850": true, "5851": 90.0}; r.Path != "/3311/0" || fmt.Sprint(r.Value) != fmt.Sprint(want) {
		t.Errorf("request %+v, want %v", r, want)
	}
	mustRefuse(t, <-answered, lwm2m.BadRequest)
	if r := ofB.next(); r.Op != "abort" || r.ID != agreed.ID || r.Path != "/3306/0/5850" {
		t.Errorf("%+v, want an abort of %d", r, agreed.ID)
	}
	for _, path := range []string{"/3306/0/5850", "/3311/0/5850"} {
		if v := g.reading(t, path).Value; v != lwm2m.Boolean(false) {
			t.Errorf("%s is %v after a write that was refused", path, v)
		}
	}
	go write()
	ofB.answer(`{"ok": true}`)
	ofA.answer(`{"ok": true}`)
	if err := <-answered; err != nil {
		t.Fatal(err)
	}
	if v := g.reading(t, "/3311/0/5851").Value; v != lwm2m.Integer(90) || g.reading(t, "/3306/0/5850").Value != lwm2m.Boolean(true) {
		t.Errorf("dimmer %v after a write that both took", v)
	}
}

func TestServersCreateAndDelete(t *testing.T) {
	l := newLab(t)
	g := l.serve(t, l.withApps(meterApp))
	l.next(t, server.Registered)
	p := g.program(t, "meter-reader")
	p.must(http.MethodPut, "", `{"objects": [3305], "instances": {"/3305/0": {}}}`)
	stream := p.listen()
	answered := make(chan error, 1)
	created := lwm2m.MustPath("/3305/4")
	go func() {
		_, err := l.client(t).Create(t.Context(), created.Parent(), lwm2m.FormatSenMLJSON, []lwm2m.Node{place("/3305/4/5750", lwm2m.String("cellar"))})
		answered <- err
	}()
	if r := stream.answer(`{"ok": true}`); r.Op != "create" || r.Path != "/3305/4" || fmt.Sprint(r.Value) != "map[5750:cellar]" {
		t.Errorf("request %+v", r)
	}
	if err := <-answered; err != nil {
		t.Fatal(err)
	}
	// What is mandatory is there, though nobody has given it a value yet.
	wait(t, "the mandatory resource", func() bool { return len(g.tree.Entries(created.Child(5800), lwm2m.LevelResource)) == 1 })
	go func() { answered <- l.client(t).Delete(t.Context(), created) }()
	if r := stream.answer(`{"ok": true}`); r.Op != "delete" || r.Path != "/3305/4" {
		t.Errorf("request %+v", r)
	}
	if err := <-answered; err != nil {
		t.Fatal(err)
	}
	if ids := g.tree.Instances(3305); len(ids) != 1 {
		t.Errorf("instances %v", ids)
	}
}

// TestProgramGoesAndComesBack: its objects stay, marked; nothing flickers.
func TestProgramGoesAndComesBack(t *testing.T) {
	l := newLab(t)
	g := l.serve(t, l.withApps(meterApp))
	l.next(t, server.Registered)
	p := g.program(t, "meter-reader")
	p.must(http.MethodPut, "", meter)
	first := p.listen()
	l.next(t, server.Updated)
	before := g.reading(t, "/3305/0/5805")
	structure := g.tree.Subscribe()
	defer structure.Close()
	// A request waits when the program dies.
	answered := make(chan error, 1)
	go func() { answered <- l.write(t, "/26300/0/0", lwm2m.Float(0.5)) }()
	first.next()
	first.close()
	mustRefuse(t, <-answered, lwm2m.ServiceUnavailable)
	wait(t, "the trouble", func() bool { return !g.healthy() })
	wait(t, "the mark", func() bool { return g.reading(t, "/3305/0/5805").Quality == model.Stale })
	if after := g.reading(t, "/3305/0/5805"); after.Value != before.Value || !after.Time.Equal(before.Time) {
		t.Errorf("%+v, want value and time of %+v", after, before)
	}
	mustRefuse(t, l.write(t, "/26300/0/0", lwm2m.Float(0.5)), lwm2m.ServiceUnavailable)
	if v := l.read(t, "/26300/0/0"); v.String() != "0.25" {
		t.Errorf("price %v after two writes that failed", v)
	}

	second := p.listen()
	p.must(http.MethodPut, "", meter)
	if q := g.reading(t, "/3305/0/5805").Quality; q != model.Good || !g.healthy() {
		t.Errorf("quality %v, healthy: %v", q, g.healthy())
	}
	if structure.Take(nil).Structure {
		t.Error("objects or instances went, or came, with the program")
	}
	// Another one takes over.
	p.listen()
	if r := second.next(); r.Op != "end" || r.Message == "" {
		t.Errorf("%+v, want the end", r)
	}
	second.close()
	if !g.healthy() {
		t.Error("the application is away though another program has taken over")
	}
}

// TestApplicationOutlivesTheAgent: its objects are there at once after a restart,
// with their values, and go with their section.
func TestApplicationOutlivesTheAgent(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	g := l.serve(t, l.withApps(meterApp))
	l.next(t, server.Registered)
	p := g.program(t, "meter-reader")
	p.must(http.MethodPut, "", meter)
	listed := l.next(t, server.Updated).Registration.Objects
	p.must(http.MethodPatch, "/values", `{"/3305/0/5800": 33.5, "/26300/0/1": "day"}`)
	before := g.reading(t, "/3305/0/5805")
	g.stop()

	g = l.serve(t, l.withApps(meterApp))
	if again := l.back(t).Registration.Objects; fmt.Sprint(again) != fmt.Sprint(listed) {
		t.Errorf("registered %v, before %v", again, listed)
	}
	if r := g.reading(t, "/3305/0/5805"); r.Value != before.Value || !r.Time.Equal(before.Time) || r.Quality != model.Stale {
		t.Errorf("%+v, before %+v", r, before)
	}
	if v := g.reading(t, "/3305/0/5800").Value; v != lwm2m.Float(33.5) {
		t.Errorf("power %v, want the last one", v)
	}
	if g.healthy() {
		t.Error("health does not say that the program is away")
	}
	mustRefuse(t, l.client(t).Execute(t.Context(), lwm2m.MustPath("/3305/0/5822"), ""), lwm2m.ServiceUnavailable)

	// The configuration gives it one object less, then none.
	less := meterApp
	less.Objects = []uint16{3305}
	if err := g.Apply(t.Context(), l.withApps(less)); err != nil {
		t.Fatal(err)
	}
	if objects := l.next(t, server.Updated).Registration.Objects; lists(objects, "/26300/0") || !lists(objects, "/3305/0") {
		t.Errorf("registered %v", objects)
	}
	if err := g.Apply(t.Context(), l.withApps()); err != nil {
		t.Fatal(err)
	}
	if objects := l.next(t, server.Updated).Registration.Objects; lists(objects, "/3305/0") {
		t.Errorf("registered %v", objects)
	}
	if !g.healthy() {
		t.Error("health speaks of an application that there is no more")
	}
	g.stop()
	l.serve(t, l.withApps(meterApp))
	if objects := l.back(t).Registration.Objects; lists(objects, "/3305/0") {
		t.Errorf("what was removed is there again: %v", objects)
	}
}

func TestManyInstancesOfAnApplicationCostOneUpdate(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	g := l.serve(t, l.withApps(meterApp))
	l.next(t, server.Registered)
	p := g.program(t, "meter-reader")
	p.must(http.MethodPut, "", `{"objects": [3305]}`)
	l.next(t, server.Updated)
	const many = 1000
	places := make([]string, many)
	for i := range places {
		places[i] = fmt.Sprintf(`"/3305/%d": {"5800": %d}`, i, i)
	}
	p.must(http.MethodPatch, "/values", "{"+strings.Join(places, ",")+"}")
	e := l.next(t, server.Updated)
	if !lists(e.Registration.Objects, "/3305/0") || !lists(e.Registration.Objects, fmt.Sprintf("/3305/%d", many-1)) {
		t.Errorf("the Update lists %d places, want all %d instances", len(e.Registration.Objects), many)
	}
}

func TestApplicationClaimsWhatTheAgentServes(t *testing.T) {
	l := newLab(t)
	taken := meterApp
	taken.Objects = []uint16{3305, 3442}
	if _, err := New(Options{Config: l.withApps(taken)}); err == nil || !strings.Contains(err.Error(), "objects: 3442 is served by the agent itself") {
		t.Errorf("an application may own the test object: %v", err)
	}
	g := l.serve(t, l.withApps(meterApp))
	g.program(t, "meter-reader").must(http.MethodPut, "", meter)
	if err := g.Apply(t.Context(), l.withApps(taken)); err == nil || !strings.Contains(err.Error(), "objects: 3442") {
		t.Errorf("it may after a reload: %v", err)
	}
	if len(g.tree.Instances(3305)) != 1 {
		t.Error("a configuration that is wrong has changed the objects")
	}
	withSensor := l.withApps(meterApp)
	withSensor.Sensors = []config.Sensor{sensor("s")}
	withSensor.Sensors[0].Object = 3305
	if err := g.Apply(t.Context(), withSensor); err == nil || !strings.Contains(err.Error(), "objects: 3305 is what sensor s feeds") {
		t.Errorf("a sensor may feed what an application owns: %v", err)
	}
}

// TestExamples: the programs of docs/applications.md serve a server.
func TestExamples(t *testing.T) {
	for _, example := range []string{"meter.py", "meter.sh"} {
		t.Run(example, func(t *testing.T) {
			l := newLab(t)
			g := l.serve(t, l.withApps(meterApp))
			l.next(t, server.Registered)
			path := filepath.Join(workspace.Root(t), "docs", "examples", example)
			cmd := exec.CommandContext(t.Context(), path, "meter-reader", g.socket)
			cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // it is ended with its children, as systemd does it
			log := filepath.Join(t.TempDir(), "log")
			program := process.Start(t, cmd, log)
			defer func() {
				if text, err := os.ReadFile(log); t.Failed() {
					t.Logf("it printed %s, %v", text, err)
				}
			}()
			wait(t, "a program that listens", func() bool {
				list := g.apps.List()
				return len(list) == 1 && list[0].State == "present" && list[0].Instances > 0
			})
			if v := g.reading(t, "/3305/0/5800").Value; v != lwm2m.Float(1200) {
				t.Errorf("power %v", v)
			}
			if err := l.client(t).Execute(t.Context(), lwm2m.MustPath("/3305/0/5822"), ""); err != nil {
				t.Error(err)
			}
			mustRefuse(t, l.write(t, "/3305/0/5750", lwm2m.String("mine")), lwm2m.MethodNotAllowed)
			if example == "meter.py" {
				if err := l.write(t, "/26300/0/0", lwm2m.Float(0.5)); err != nil {
					t.Error(err)
				}
			} else if v := g.reading(t, "/3305/0/5805").Value; v != lwm2m.Float(0) {
				t.Errorf("energy %v after its reset", v)
			}
			if err := syscall.Kill(-program.PID(), syscall.SIGTERM); err != nil {
				t.Fatal(err)
			}
			wait(t, "the trouble", func() bool { return !g.healthy() })
		})
	}
}

// TestCheckApplications: what would not run is found before, with file and line.
func TestCheckApplications(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "agent.toml")
	check := func(toml string) ([]CheckRow, error) {
		t.Helper()
		if err := os.WriteFile(file, []byte(toml), 0o600); err != nil {
			t.Fatal(err)
		}
		return Check(t.Context(), file, dir)
	}
	rows, err := check("[[app]]\nname = 'a'\nuser = 'nobody'\nobjects = [3305, 26300]\n[[app]]\nname = 'b'\nuser = 'no-such-user'\nobjects = [3306]\n")
	if err != nil || len(rows) != 2 {
		t.Fatalf("%+v, %v", rows, err)
	}
	if want := (CheckRow{"application", "a", "user nobody", true, "may own objects 3305 26300"}); rows[0] != want {
		t.Errorf("%+v, want %+v", rows[0], want)
	}
	if rows[1].OK || !strings.HasPrefix(rows[1].Detail, "there is no user no-such-user; make one") {
		t.Errorf("%+v", rows[1])
	}
	_, err = check("test_object = true\n[[app]]\nname = 'a'\nuser = 'nobody'\nobjects = [3442]\n")
	if want := file + `:5: app "a": objects: 3442 is served by the agent itself; take it out`; err == nil || err.Error() != want {
		t.Errorf("%v\nwant %s", err, want)
	}
}

// TestOwnObjectsAreKnown: ownObjects names all that an agent serves and an
// application could claim.
func TestOwnObjectsAreKnown(t *testing.T) {
	cfg := newLab(t).config()
	a, err := New(Options{Config: cfg})
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	for _, e := range a.tree.Entries(lwm2m.Path{}, lwm2m.LevelObject) {
		if oid := e.Path.Object(); oid >= 8 && !slices.Contains(ownObjects(cfg), oid) {
			t.Errorf("object %d is missing in ownObjects", oid)
		}
	}
}
