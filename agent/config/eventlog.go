package config

// LogSource is where the lines of an event log come from.
type LogSource string

// The sources.
const (
	SourceJournal LogSource = "journal"
	SourceFile    LogSource = "file"
)

// EventLog is one [[event_log]].
type EventLog struct {
	Section
	Name   string
	Source LogSource
	File   string // absolute; for SourceFile
	Class  string // "generic", "system", "security", "event", "trace", "panic" or "charging"
}

// defaultLogClass is that of the registry's description of /20/x/4010.
const defaultLogClass = "generic"

var eventLogKeys = []key{
	{name: "name", kind: uniqueFor, required: true, help: "unique; the instance number is bound to it"},
	{name: "source", kind: oneOf(string(SourceJournal), string(SourceFile)), required: true, help: "systemd's journal, or a file of lines"},
	{name: "file", kind: filePath, help: `the file, such as "/var/log/messages", for source "file"`},
	{name: "class", kind: oneOf("generic", "system", "security", "event", "trace", "panic", "charging"), fallback: `"` + defaultLogClass + `"`, help: "20/x/4010"},
}

func (b *builder) eventLogs(root *node) {
	section := schema.section("event_log")
	for _, n := range elements(root, "event_log") {
		l := EventLog{
			Section: Section{n, section.title(n)},
			Name:    get(n, "name", ""), Source: LogSource(get(n, "source", "")), Class: get(n, "class", defaultLogClass),
		}
		if file := n.table["file"]; file != nil {
			l.File = file.path(get(n, "file", ""))
		}
		switch {
		case l.Source == SourceFile && l.File == "":
			b.problems = append(b.problems, l.Problem("", `file is missing; source "file" needs it`))
		case l.Source == SourceJournal && l.File != "":
			b.problems = append(b.problems, l.Problem("file", `source "journal" does not take it; remove it, or set source = "file"`))
		}
		b.cfg.EventLogs = append(b.cfg.EventLogs, l)
	}
}
