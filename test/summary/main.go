// Summary reads the events of "go test -json" and says what happened: a line per package, the output of what failed, and a total.
// It knows the event format of cmd/test2json and nothing of what is tested.
//
//	go test -json ./... | summary -log FILE    copies the events to FILE and prints them as they come
//	summary FILE...                            prints what failed, what was skipped, and the total over the files
//
// It exits 1 when a test or package failed.
package main

import (
	"bufio"
	"flag"
	"fmt"
	"io"
	"os"
)

func main() {
	logPath := flag.String("log", "", "copy the events of standard input to `FILE`")
	flag.Parse()
	failed, err := run(*logPath, flag.Args(), os.Stdin, os.Stdout)
	if err != nil {
		fmt.Fprintln(os.Stderr, "summary:", err)
		os.Exit(1)
	}
	if failed {
		os.Exit(1)
	}
}

func run(logPath string, files []string, in io.Reader, out io.Writer) (failed bool, err error) {
	if logPath != "" {
		return follow(logPath, in, out)
	}
	var all tally
	for _, path := range files {
		if err := all.addFile(path); err != nil {
			return false, err
		}
	}
	all.writeTotal(out)
	return all.failed(), nil
}

// follow prints the events of in as they come and keeps them in the file at logPath.
func follow(logPath string, in io.Reader, out io.Writer) (failed bool, err error) {
	log, err := os.Create(logPath)
	if err != nil {
		return false, err
	}
	defer log.Close()
	var t tally
	lines := bufio.NewScanner(io.TeeReader(in, log))
	lines.Buffer(nil, maxLine)
	for lines.Scan() {
		t.add(lines.Bytes(), out)
	}
	if err := lines.Err(); err != nil {
		return false, fmt.Errorf("read the events: %w", err)
	}
	return t.failed(), log.Close()
}

func (t *tally) addFile(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, maxLine)
	for lines.Scan() {
		t.add(lines.Bytes(), io.Discard)
	}
	if err := lines.Err(); err != nil {
		return fmt.Errorf("read %s: %w", path, err)
	}
	return nil
}
