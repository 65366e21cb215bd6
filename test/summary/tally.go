package main

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
)

// maxLine bounds one event; a test that prints one longer line fails the summary.
const maxLine = 4 << 20

// event is one line of "go test -json" (go doc test2json). Lines that are no events, such as a compiler's message, are kept as output.
type event struct {
	Action     string
	Package    string
	ImportPath string // of build-output and build-fail
	Test       string
	Output     string
}

// tally counts tests, subtests included, and remembers the names of those that failed or were skipped.
type tally struct {
	passed  int
	failing []string
	skipped []string
	output  map[string][]string // lines of a running test, by package and test
	broken  map[string]bool     // packages with a failing test, so that their own failure is not counted again
}

func (t *tally) failed() bool { return len(t.failing) > 0 }

func (t *tally) add(line []byte, out io.Writer) {
	var e event
	if json.Unmarshal(line, &e) != nil {
		fmt.Fprintf(out, "%s\n", line)
		return
	}
	if t.output == nil {
		t.output, t.broken = map[string][]string{}, map[string]bool{}
	}
	name := e.Package + " " + e.Test
	switch e.Action {
	case "output":
		t.addOutput(e, name, out)
	case "build-output":
		fmt.Fprint(out, e.Output)
	case "pass", "fail", "skip":
		t.addVerdict(e, name, out)
		delete(t.output, name)
	}
}

// addOutput prints a package's own lines and holds back a test's until its verdict is known.
func (t *tally) addOutput(e event, name string, out io.Writer) {
	if e.Test != "" {
		t.output[name] = append(t.output[name], e.Output)
		return
	}
	switch line := strings.TrimSpace(e.Output); {
	case line == "PASS", line == "FAIL", strings.HasPrefix(line, "-test.shuffle"), strings.HasSuffix(line, "[no test files]"):
	case strings.HasPrefix(line, "coverage:"):
	default:
		fmt.Fprint(out, e.Output)
	}
}

func (t *tally) addVerdict(e event, name string, out io.Writer) {
	switch {
	case e.Test == "" && e.Action == "fail" && !t.broken[e.Package]:
		// The package did not build, or ended before its tests did.
		t.failing = append(t.failing, e.Package)
		t.writeUnfinished(e.Package, out)
	case e.Test == "":
	case e.Action == "pass":
		t.passed++
	case e.Action == "fail":
		t.broken[e.Package] = true
		t.failing = append(t.failing, name)
		fmt.Fprint(out, strings.Join(t.output[name], ""))
	case e.Action == "skip":
		t.skipped = append(t.skipped, name+t.skipReason(name))
	}
}

// writeUnfinished prints what the tests printed that have no verdict: those that ran when the package's process ended.
func (t *tally) writeUnfinished(pkg string, out io.Writer) {
	for name, lines := range t.output {
		if strings.HasPrefix(name, pkg+" ") {
			fmt.Fprint(out, strings.Join(lines, ""))
			delete(t.output, name)
		}
	}
}

// skipReason is the message of t.Skip, which precedes the line with the verdict.
func (t *tally) skipReason(name string) string {
	for _, line := range t.output[name] {
		line = strings.TrimSpace(line)
		if line != "" && !strings.HasPrefix(line, "===") && !strings.HasPrefix(line, "---") {
			return ": " + line
		}
	}
	return ""
}

func (t *tally) writeTotal(out io.Writer) {
	for _, name := range t.skipped {
		fmt.Fprintf(out, "skipped: %s\n", name)
	}
	for _, name := range t.failing {
		fmt.Fprintf(out, "FAILED: %s\n", name)
	}
	fmt.Fprintf(out, "%d passed, %d failed, %d skipped\n", t.passed, len(t.failing), len(t.skipped))
}
