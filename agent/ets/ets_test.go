//go:build !small

package ets_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"lwm2m-agent/agent"
	"lwm2m-agent/agent/config"
	"lwm2m-agent/agent/ets"
	"lwm2m-agent/lwm2m"
)

var update = flag.Bool("update", false, "write docs/ets.md anew")

const reportFile = "../../docs/ets.md"

// TestMain lets many procedures run at a time: they wait most of it.
func TestMain(m *testing.M) {
	flag.Parse()
	if err := flag.Set("test.parallel", "16"); err != nil {
		panic(err)
	}
	m.Run()
}

func versions() []lwm2m.Version {
	return []lwm2m.Version{lwm2m.Version12, lwm2m.Version11, lwm2m.Version10}
}

// newLab returns a lab with a folder of the test's.
func newLab(t *testing.T) *ets.Lab {
	t.Helper()
	lab := agent.ETSLab(nil)
	lab.Dir = t.TempDir()
	return lab
}

// runProcedure runs the procedure with an ID in each version whose list has it. It must
// not fail, and end as the report says.
func runProcedure(t *testing.T, id int) {
	t.Helper()
	t.Parallel()
	lab := newLab(t)
	results := make([]ets.Result, len(versions()))
	var running sync.WaitGroup
	for i, v := range versions() {
		procedures, unknown := ets.Select(ets.ProceduresOf(v), []int{id})
		if len(unknown) == 0 {
			running.Go(func() { results[i] = lab.Run(t.Context(), procedures[0], v) })
		}
	}
	running.Wait()
	for _, r := range results {
		if r.Result == ets.Failed {
			t.Errorf("LwM2M %s: %s", r.Version, r.Reason)
		}
	}
	report, err := os.ReadFile(reportFile)
	if err != nil {
		t.Fatal(err)
	}
	if line := row(results); !strings.Contains(string(report), line) {
		t.Errorf("%s has no line\n%sRun: go test ./agent/ets -run TestReport -update", reportFile, line)
	}
}

// row is a line of the report: the results of a procedure in each version.
func row(results []ets.Result) string {
	cells := make([]string, len(results))
	var newest ets.Result
	for i, r := range results {
		cells[i] = "–"
		if r.ID == "" {
			continue // not in the list of the version
		}
		cells[i] = r.Result.Words()
		if newest.ID == "" {
			newest = r
		}
	}
	return fmt.Sprintf("| %s | %s | %s | %s | %s |\n", strings.TrimPrefix(newest.ID, "int-"), newest.Title, newest.Condition, strings.Join(cells, " | "), newest.Reason)
}

const reportHead = `# Conformance

<!-- Made by go test ./agent/ets -run TestReport -update. Do not edit. -->

` + "`lwm2m-agent ets`" + ` runs the procedures of the OMA Enabler Test Specification for LwM2M (OMA-ETS-LightweightM2M_INT), each against an agent and servers
of its own in a sandbox. What they ended with, for each version of LwM2M:

| ID | procedure | condition | 1.2 | 1.1 | 1.0 | reason or note (of the newest version) |
|---|---|---|---|---|---|---|
`

const reportTail = `
- Each test ` + "`TestETS_int_ID`" + ` in agent/ets runs a procedure and compares how it ends with its line here.
- The lists for 1.1 and 1.0 are the procedures of that for 1.2 that those versions had.
- A procedure passes if everything that it asks for was seen in the messages of the server. Where the document has a mistake, what the
  specifications of LwM2M and its objects say is expected, and the line says so.
- All accounts are secured with a pre-shared key over DTLS. Periods, lifetimes and the awake time are parameters of the procedures: they are
  shorter here, and kept to.
- An object that is not served makes its procedures not applicable; they count when it is.
`

// TestReport compares the report's head, tail and number of lines with what they would
// be; its lines are compared by the tests of the procedures.
func TestReport(t *testing.T) {
	if *update {
		writeReport(t)
	}
	report, err := os.ReadFile(reportFile)
	if err != nil {
		t.Fatal(err)
	}
	text := string(report)
	lines := strings.Count(strings.TrimSuffix(strings.TrimPrefix(text, reportHead), summary(text)+reportTail), "\n")
	if !strings.HasPrefix(text, reportHead) || !strings.HasSuffix(text, summary(text)+reportTail) || lines != len(ets.Procedures()) {
		t.Errorf("%s is out of date. Run: go test ./agent/ets -run TestReport -update", reportFile)
	}
}

// summary counts the verdicts that a report has in each version.
func summary(report string) string {
	var b strings.Builder
	b.WriteString("\n")
	for i, v := range versions() {
		var results []ets.Result
		for line := range strings.Lines(report) {
			cells := strings.Split(line, " | ")
			if len(cells) != 7 || strings.TrimLeft(cells[0], "| ") == "ID" {
				continue
			}
			verdict := ets.Verdict(strings.ReplaceAll(cells[3+i], " ", "-"))
			results = append(results, ets.Result{Result: verdict})
		}
		fmt.Fprintf(&b, "- LwM2M %s: %s.\n", v, ets.Count(results))
	}
	return b.String()
}

func writeReport(t *testing.T) {
	t.Helper()
	lab := newLab(t)
	byID := make(map[string][]ets.Result)
	for i, v := range versions() {
		for _, r := range lab.RunAll(t.Context(), ets.ProceduresOf(v), v) {
			if byID[r.ID] == nil {
				byID[r.ID] = make([]ets.Result, len(versions()))
			}
			byID[r.ID][i] = r
		}
	}
	var lines strings.Builder
	for _, p := range ets.Procedures() {
		lines.WriteString(row(byID[p.Name()]))
	}
	text := reportHead + lines.String() + summary(lines.String()) + reportTail
	if err := os.WriteFile(reportFile, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// TestList holds the table against the numbers of the test specification for 1.2.
func TestList(t *testing.T) {
	all := ets.Procedures()
	var previous, without int
	for i, p := range all {
		switch {
		case i > 0 && p.ID <= previous:
			t.Errorf("%d does not come after %d", p.ID, previous)
		case p.Title == "" || p.Since.IsZero():
			t.Errorf("%d has no title or version", p.ID)
		case len(p.Title) > 60:
			t.Errorf("the title of %d is wider than its column", p.ID)
		}
		if strings.HasPrefix(p.Missing, "no procedure") {
			without++
		} else if p.Condition == "" {
			t.Errorf("%d has no condition", p.ID)
		}
		previous = p.ID
	}
	// Delegated procedures are run as those for which they stand.
	const delegated = 6
	if len(all) != 155 || len(all)-without-delegated != 118 {
		t.Errorf("%d procedures, %d without steps: the test specification has 155, 118 of them with steps", len(all), without)
	}
}

func TestSelect(t *testing.T) {
	found, unknown := ets.Select(ets.ProceduresOf(lwm2m.Version10), []int{203, 101, 110})
	if len(found) != 2 || found[0].ID != 203 || found[1].ID != 101 || !slices.Equal(unknown, []int{110}) {
		t.Errorf("found %v, unknown %v", found, unknown)
	}
	if all, _ := ets.Select(ets.Procedures(), nil); len(all) != 155 {
		t.Errorf("all are %d", len(all))
	}
}

// other is a device that has something else than it was set up to have.
type other struct {
	ets.Device
	set func(values []lwm2m.Node) []lwm2m.Node
	run func(context.Context) error
}

func (o other) Set(ctx context.Context, nodes []lwm2m.Node) error {
	if o.set != nil {
		nodes = o.set(nodes)
	}
	return o.Device.Set(ctx, nodes)
}

func (o other) Run(ctx context.Context) error {
	if o.run != nil {
		off, cancel := context.WithCancel(ctx)
		cancel()
		_ = o.Device.Run(off)
		return o.run(ctx)
	}
	return o.Device.Run(ctx)
}

// with changes the value of a node.
func with(path string, v lwm2m.Value) func([]lwm2m.Node) []lwm2m.Node {
	return func(nodes []lwm2m.Node) []lwm2m.Node {
		at := lwm2m.MustPath(path)
		nodes = slices.DeleteFunc(nodes, func(n lwm2m.Node) bool { return n.Path == at })
		nodes = append(nodes, lwm2m.Node{Path: at, Value: v})
		lwm2m.SortNodes(nodes)
		return nodes
	}
}

// TestDifferences shows that a device that is not as a procedure expects fails it, with
// what was expected and what came.
func TestDifferences(t *testing.T) {
	tests := []struct {
		name   string
		id     int
		setup  func(*ets.Setup)
		device other
		want   string
	}{
		{"another maker", 201, func(s *ets.Setup) { s.Config.Device.Manufacturer = "X" }, other{}, `GET /3/0/0: expected "Open Mobile Alliance", got "X"`},
		{"another lifetime", 101, func(s *ets.Setup) { s.Config.Servers[0].Lifetime /= 2 }, other{}, "expected the parameter lt=86400"},
		{"another version", 101, func(s *ets.Setup) { s.Config.Servers[0].Version = lwm2m.Version11 }, other{}, "expected the parameter lwm2m=1.2"},
		{"no queue mode", 108, func(s *ets.Setup) { s.Config.Servers[0].QueueMode = false }, other{}, "expected the parameter Q="},
		{"no account", 101, func(s *ets.Setup) { s.Config.Servers[0].Identity = "X" }, other{}, "expected POST /rd within"},
		{"another value", 224, nil, other{set: with("/1/0/5", lwm2m.Integer(5))}, `GET /1/0/5: expected "86400" for /1/0/5, got "5"`},
		{"a device that ends", 101, nil, other{run: func(context.Context) error { return os.ErrInvalid }}, "the device has ended: invalid argument"},
		{"Send is muted", 306, nil, other{set: with("/1/0/23", lwm2m.Boolean(true))}, "muted Send"},
		{"one battery", 260, func(s *ets.Setup) { _ = os.RemoveAll(s.Machine.Root + "/sys/class/power_supply/USB0") }, other{}, "expected dim=2 at </3/0/6>"},
		{"a value that fits nothing", 101, nil, other{set: with("/1/0/7", lwm2m.String("?"))}, "is no binding"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			lab := newLab(t)
			makeAgent := lab.Make
			lab.Make = func(s ets.Setup) (ets.Device, error) {
				if tt.setup != nil {
					tt.setup(&s)
				}
				d, err := makeAgent(s)
				tt.device.Device = d
				return tt.device, err
			}
			found, _ := ets.Select(ets.Procedures(), []int{tt.id})
			r := lab.Run(t.Context(), found[0], lwm2m.Version12)
			if tt.want == "" && r.Result != ets.Passed {
				t.Errorf("int-%d: %s, %s", tt.id, r.Result, r.Reason)
			}
			if tt.want != "" && (r.Result != ets.Failed || !strings.Contains(r.Reason, tt.want)) {
				t.Errorf("int-%d: %s, %q, want it to fail because of %q", tt.id, r.Result, r.Reason, tt.want)
			}
			if left, err := os.ReadDir(lab.Dir); err != nil || len(left) > 0 {
				t.Errorf("the sandbox left %v, %v", left, err)
			}
		})
	}
}

// TestSlowMachine holds the times in which a device must do something against what a busy machine takes: a download that stands still for a
// second has not failed, and a new system that registers after two is good.
func TestSlowMachine(t *testing.T) {
	t.Parallel()
	noDevice := errors.New("no device")
	for _, id := range []int{756, 770, 771, 775} {
		lab := newLab(t)
		var firmware config.Firmware
		lab.Make = func(s ets.Setup) (ets.Device, error) {
			firmware = *s.Config.Firmware
			return nil, noDevice
		}
		found, _ := ets.Select(ets.Procedures(), []int{id})
		if r := lab.Run(t.Context(), found[0], lwm2m.Version12); r.Reason != noDevice.Error() {
			t.Errorf("int-%d: %s, %s", id, r.Result, r.Reason)
		}
		patience := 20 * time.Second // as long as any message is awaited
		if id == 775 {
			patience = 4 * time.Second // the procedure waits until the download has failed
		}
		if firmware.Patience < patience || firmware.Confirm < 4*time.Second {
			t.Errorf("int-%d: a download fails after %s, a new system after %s", id, firmware.Patience, firmware.Confirm)
		}
	}
}

// TestInterrupted shows that a run ends soon when it is told to.
func TestInterrupted(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for _, r := range newLab(t).RunAll(ctx, ets.ProceduresOf(lwm2m.Version12), lwm2m.Version12) {
		if r.Result == ets.Passed {
			t.Errorf("%s has passed without having been run", r.ID)
		}
	}
}

func TestHTML(t *testing.T) {
	var b strings.Builder
	err := ets.WriteHTML(&b, "agent <1>", []ets.Result{
		{ID: "int-1", Title: "A & B", Version: "1.2", Condition: "C.3", Result: ets.NotApplicable, Reason: "later"},
		{ID: "int-2", Title: "C", Version: "1.2", Result: ets.Failed, Reason: "expected </3>"},
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"agent &lt;1&gt;", "0 passed, 1 failed, 1 not applicable",
		`<tr class="not-applicable"><td>LightweightM2M-1.2-int-1</td><td>A &amp; B</td><td>C.3</td><td>not applicable</td><td>later</td></tr>`,
		"expected &lt;/3&gt;",
	} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("the page lacks %q", want)
		}
	}
}
