package ets

import (
	"fmt"
	"html"
	"io"
	"strings"
)

// Words returns the verdict as people read it.
func (v Verdict) Words() string { return strings.ReplaceAll(string(v), "-", " ") }

// Counts are how many procedures had each verdict.
type Counts struct{ Passed, Failed, NotApplicable int }

// Count counts verdicts.
func Count(results []Result) Counts {
	var c Counts
	for _, r := range results {
		switch r.Result {
		case Passed:
			c.Passed++
		case Failed:
			c.Failed++
		case NotApplicable:
			c.NotApplicable++
		}
	}
	return c
}

// String says the counts in words.
func (c Counts) String() string {
	return fmt.Sprintf("%d passed, %d failed, %d not applicable", c.Passed, c.Failed, c.NotApplicable)
}

// style is the page's, for screen and paper.
const style = `body{font:15px/1.4 system-ui,sans-serif;margin:2em auto;max-width:70em;padding:0 1em}` +
	`table{border-collapse:collapse}th,td{text-align:left;vertical-align:top;padding:.2em .8em .2em 0;border-bottom:1px solid #ccc}` +
	`.passed{color:#060}.failed{color:#b00;font-weight:bold}.not-applicable{color:#666}`

// WriteHTML writes results as a page that needs nothing else. about is a line on what
// was tested.
func WriteHTML(w io.Writer, about string, results []Result) error {
	var b strings.Builder
	const title = "OMA Enabler Test Specification for LwM2M"
	fmt.Fprintf(&b, "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>%s</title><style>%s</style></head>\n<body><h1>%s</h1>\n<p>%s</p>\n<p>%s</p>\n",
		title, style, title, html.EscapeString(about), Count(results))
	b.WriteString("<table><thead><tr><th>ID</th><th>Procedure</th><th>Condition</th><th>Result</th><th>Reason or note</th></tr></thead><tbody>\n")
	for _, r := range results {
		fmt.Fprintf(&b, "<tr class=\"%s\"><td>LightweightM2M-%s-%s</td><td>%s</td><td>%s</td><td>%s</td><td>%s</td></tr>\n",
			r.Result, r.Version, r.ID, html.EscapeString(r.Title), r.Condition, r.Result.Words(), html.EscapeString(r.Reason))
	}
	b.WriteString("</tbody></table></body></html>\n")
	_, err := io.WriteString(w, b.String())
	return err
}
