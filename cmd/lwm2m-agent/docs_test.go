package main

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"lwm2m-agent/agent"
)

// document is a page for people.
type document struct {
	name, text string
	blocks     []block
}

// block is a code block: the lines between fences, or those that are indented by four.
type block struct {
	line int // of the first one, from 1
	text string
}

// documents returns README.md and all of docs/.
func documents(t *testing.T) []document {
	t.Helper()
	files, err := filepath.Glob("../../docs/*.md")
	if err != nil {
		t.Fatal(err)
	}
	all := make([]document, 0, len(files)+1)
	for _, file := range append(files, "../../README.md") {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, document{filepath.Base(file), string(text), blocksOf(string(text))})
	}
	return all
}

func blocksOf(text string) []block {
	const fence, indent = "```", "    "
	var blocks []block
	var now *block
	fenced := false
	for i, line := range strings.Split(text, "\n") {
		code, indented := strings.CutPrefix(line, indent)
		switch {
		case strings.HasPrefix(line, fence):
			fenced, now = !fenced, nil
			if fenced {
				blocks = append(blocks, block{line: i + 2})
				now = &blocks[len(blocks)-1]
			}
			continue
		case fenced:
			code = line
		case indented && now == nil:
			blocks = append(blocks, block{line: i + 1})
			now = &blocks[len(blocks)-1]
		case !indented && strings.TrimSpace(line) != "":
			now = nil
		}
		if now != nil {
			now.text += code + "\n"
		}
	}
	return blocks
}

// notCommands begin blocks that nobody is to type: what a program prints or reads, diagrams, parts of files.
var notCommands = []string{
	"stateDiagram-v2", "I2C", "cmd/lwm2m-agent", "peer", // diagrams
	"fault", "/etc/lwm2m-agent/agent.toml:12:", "lwm2m-agent playback 1", "LWM2M:E:", // what is printed
	`{"id":`, `{"endpoint":`, "# /etc/systemd/system/", "check =", // parts of files
}

// scripts begin blocks that tests run or play as a whole, by the test.
var scripts = map[string]string{
	"$ cat manifest": "TestInteropSignify", "setenv slot;": "TestRigBootScripts", "setenv BOOT_": "TestRigBootScripts", "if test ${bootslot}": "TestRigBootScripts",
	"search --no-floppy": "TestAB", "grub-editenv": "TestAB", "uci set": "TestOpenWrt",
}

// triedElsewhere are programs by where is tried what documents tell to do with them.
var triedElsewhere = map[string]string{
	"apt": "TestInstalled", "systemctl": "TestInstalled", "ssh": "TestInstalled", "openssl": "TestInstalled", "chown": "TestInstalled", "opkg": "TestOpenWrt",
	"mvn": "TestFirstConnection", "java": "TestFirstConnection", "echo": "TestInstalled", "install": "TestInstalled",
	"systemd-creds": "TestKeyFromCredential", "packaging/build.sh": "TestPackageIsReproducible",
	// in sentences only
	"journalctl": "TestInstalled", "systemd-analyze": "TestInstalled", "mmcli": "TestInstalled", "ubus": "TestOpenWrt", "wireshark": "TestCapture", "curl": "TestMetrics",
}

// inSentence finds commands in sentences; those of the agent are TestDocumentedCommands's.
var inSentence = regexp.MustCompile("`((?:[A-Z0-9_]+=\\S+ )*(?:\\./dev|go test|go generate|apt|systemctl|journalctl|systemd-analyze|mmcli|ubus|opkg|ssh|openssl|chown|wireshark|curl) [^`]*)`")

// namedTest finds tests that a sentence names.
var namedTest = regexp.MustCompile("`(Test\\w+)`")

// allTests are the names of the tests of the whole repository.
func allTests(t *testing.T) map[string]bool {
	t.Helper()
	names, function := make(map[string]bool), regexp.MustCompile(`(?m)^func (Test\w+)\(`)
	err := filepath.WalkDir("../..", func(path string, _ os.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(path, "_test.go") {
			return err
		}
		text, err := os.ReadFile(path)
		for _, m := range function.FindAllSubmatch(text, -1) {
			names[string(m[1])] = true
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return names
}

// TestDocumentedBlocks has every example of a configuration loaded, every command of ./dev and go test and every test that is
// named found, and demands of any other command that it is known where that is tried.
func TestDocumentedBlocks(t *testing.T) {
	dev, err := os.ReadFile("../../dev")
	if err != nil {
		t.Fatal(err)
	}
	tests := allTests(t)
	for _, names := range []map[string]string{scripts, triedElsewhere} {
		for what, name := range names {
			if !tests[name] {
				t.Errorf("%s: there is no test %s", what, name)
			}
		}
	}
	configurations, commands := 0, 0
	for _, d := range documents(t) {
		for _, m := range namedTest.FindAllStringSubmatch(d.text, -1) {
			if !tests[m[1]] && !strings.HasSuffix(m[1], "_ID") {
				t.Errorf("%s: there is no test %s", d.name, m[1])
			}
		}
		for _, m := range inSentence.FindAllStringSubmatch(d.text, -1) {
			commands++
			checkDocumented(t, d.name, m[1], string(dev))
		}
		for _, b := range d.blocks {
			at := fmt.Sprintf("%s:%d", d.name, b.line)
			first := strings.TrimSpace(b.text)
			switch {
			case slices.ContainsFunc(notCommands, func(begin string) bool { return strings.HasPrefix(first, begin) }):
			case slices.ContainsFunc(slices.Collect(maps.Keys(scripts)), func(begin string) bool { return strings.HasPrefix(first, begin) }):
			case strings.HasPrefix(first, "["), strings.HasPrefix(first, "endpoint ="):
				configurations++
				loadDocumented(t, at, b.text)
			default:
				for line := range strings.Lines(b.text) {
					if line = strings.TrimSpace(line); line != "" {
						commands++
						checkDocumented(t, at, line, string(dev))
					}
				}
			}
		}
	}
	if configurations < 20 || commands < 60 {
		t.Errorf("only %d configurations and %d commands were found", configurations, commands)
	}
}

// loadDocumented loads an example as agent.toml, in a folder with the files that it may name.
func loadDocumented(t *testing.T, at, text string) {
	t.Helper()
	dir := t.TempDir()
	for name, content := range map[string]string{
		"keys/gw-17.psk": "00112233445566778899aabbccddeeff", "keys/page.token": strings.Repeat("0123456789abcdef", 2),
		"vendor.pub": "untrusted comment: vendor\nRWQf6LRCGA9i53mlYecO4IzT51TGPpvWucNSCh1CBM0QTaLn73Y7GFO3\n",
	} {
		file := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	file := filepath.Join(dir, "agent.toml")
	if err := os.WriteFile(file, []byte(strings.NewReplacer("/etc/lwm2m-agent/", dir+"/", "../keys", "keys").Replace(text)), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := agent.Load(file, dir, ""); err != nil {
		t.Errorf("%s: %v", at, err)
	}
}

// checkDocumented looks at one command. Those of the agent are TestDocumentedCommands's.
func checkDocumented(t *testing.T, at, line, dev string) {
	t.Helper()
	words := strings.Fields(line)
	for len(words) > 1 && strings.Contains(words[0], "=") { // a variable for the program
		words = words[1:]
	}
	switch program := words[0]; program {
	case "lwm2m-agent", "sudo":
	case "./dev":
		if !regexp.MustCompile(`(?m)^cmd_` + words[1] + `\(\) \{`).MatchString(dev) {
			t.Errorf("%s: ./dev has no command %s", at, words[1])
		}
		if len(words) > 2 && slices.Contains([]string{"check", "test", "soak"}, words[1]) && !strings.Contains(dev, "\n"+words[1]+"_"+words[2]+"()") && words[2] != "STAGE..." && words[2] != "#" {
			t.Errorf("%s: ./dev %s has no stage or step %s", at, words[1], words[2])
		}
	case "go":
		checkGo(t, at, words)
	default:
		if triedElsewhere[program] == "" {
			t.Errorf("%s: %q: say in triedElsewhere where %s is tried, or in notCommands that it is no command", at, line, program)
		}
	}
}

// checkGo looks whether the package of a "go test" has the test, and that of a "go generate" something to generate.
func checkGo(t *testing.T, at string, words []string) {
	t.Helper()
	folder, pattern := "", `^//go:generate `
	for i, word := range words {
		switch {
		case word == "./...":
			return
		case strings.HasPrefix(word, "./"):
			folder = filepath.Join("../..", word)
		case word == "-run" && words[i+1] != "TestName" && words[i+1] != "-":
			test, _, _ := strings.Cut(strings.Trim(words[i+1], "'"), "/")
			pattern = `^func ` + strings.ReplaceAll(test, "$", `\(`)
		case word == "-bench":
			pattern = `^func Benchmark\w*` + words[i+1]
		}
	}
	files, err := filepath.Glob(filepath.Join(folder, "*.go"))
	if err != nil || len(files) == 0 {
		t.Fatalf("%s: no package at %s (%v)", at, folder, err)
	}
	if words[1] == "test" && pattern == `^//go:generate ` {
		return
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if regexp.MustCompile(`(?m)` + pattern).Match(text) {
			return
		}
	}
	t.Errorf("%s: %s: nothing in %s", at, strings.Join(words, " "), folder)
}

// documented finds commands in a document: a line of a code block, or code in a sentence.
var documented = regexp.MustCompile("(?m)^    (?:sudo )?lwm2m-agent (.*)$|`(?:sudo )?lwm2m-agent ([^`]*)`")

// notOfAgent are first lines of files that documents show.
var notOfAgent = []string{"playback 1", "images 1"}

// TestDocumentedCommands has every command that the documents tell parsed, up to its flags and what
// kind of thing it is to do. Nothing is run: -h follows.
func TestDocumentedCommands(t *testing.T) {
	found := 0
	for _, d := range documents(t) {
		for _, m := range documented.FindAllStringSubmatch(d.text, -1) {
			line := m[1] + m[2]
			if slices.Contains(notOfAgent, line) || line == "…" {
				continue
			}
			found++
			args := documentedArgs(line)
			if _, problems, code := run(t.Context(), append(args, "-h")...); code != 0 {
				t.Errorf("%s: lwm2m-agent %s: %s", d.name, line, problems)
			}
			if kinds := kindsOf(args[0]); len(args) > 1 && len(kinds) > 0 && !slices.Contains(kinds, args[1]) && !strings.HasPrefix(args[1], "-") {
				t.Errorf("%s: lwm2m-agent %s: %q is none of %q", d.name, line, args[1], kinds)
			}
		}
	}
	if found < 60 {
		t.Errorf("only %d commands were found", found)
	}
}

// documentedArgs returns the arguments of a command as a document tells it: without what follows
// it, and with what is optional.
func documentedArgs(line string) []string {
	line, _, _ = strings.Cut(line, "   ") // a comment
	line, _, _ = strings.Cut(line, "#")
	line, _, _ = strings.Cut(line, " | ") // a pipe, or the other kinds
	line, _, _ = strings.Cut(line, ", ")  // further commands
	return strings.Fields(strings.NewReplacer("[", "", "]", "").Replace(line))
}

// kindsOf returns what a command does, where it does one of several things: "show", "apply".
func kindsOf(name string) []string {
	for _, cmd := range commands() {
		if alternatives := strings.Split(strings.Trim(cmd.arguments, "[]"), "|"); cmd.name == name && len(alternatives) > 1 {
			for i := range alternatives {
				alternatives[i] = strings.Fields(alternatives[i])[0]
			}
			return alternatives
		}
	}
	return nil
}
