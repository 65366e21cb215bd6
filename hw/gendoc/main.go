// Command gendoc puts the table of drivers into a Markdown page, between the
// lines that mark its place: go run ./gendoc FILE. It knows nothing else.
package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"

	"lwm2m-agent/hw"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "gendoc:", err)
		os.Exit(1) //nolint:forbidigo // this is main
	}
}

func run(args []string) error {
	if len(args) != 1 {
		return errors.New("usage: gendoc FILE")
	}
	page, err := os.ReadFile(args[0]) //nolint:gosec // go generate names it
	if err != nil {
		return err
	}
	page, err = fill(page)
	if err != nil {
		return fmt.Errorf("%s: %w", args[0], err)
	}
	return os.WriteFile(args[0], page, 0o644) //nolint:gosec // a page that everyone reads
}

// Marks of the table's place.
const (
	begin = "<!-- table of drivers, made by go generate -->\n"
	end   = "<!-- end of the table -->\n"
)

// fill returns page with the present table.
func fill(page []byte) ([]byte, error) {
	before, rest, ok := bytes.Cut(page, []byte(begin))
	_, after, ended := bytes.Cut(rest, []byte(end))
	if !ok || !ended {
		return nil, errors.New("the marks of the table are missing")
	}
	var out bytes.Buffer
	out.Write(before)
	out.WriteString(begin)
	if err := hw.WriteTable(&out); err != nil {
		return nil, err
	}
	out.WriteString(end)
	out.Write(after)
	return out.Bytes(), nil
}
