// Command gendoc puts the tables of drivers into Markdown pages, between the
// lines that mark their places: go run ./gendoc FILE... It knows nothing else.
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

func run(files []string) error {
	if len(files) == 0 {
		return errors.New("usage: gendoc FILE [FILE ...]")
	}
	for _, file := range files {
		page, err := os.ReadFile(file) //nolint:gosec // go generate names it
		if err != nil {
			return err
		}
		page, err = fill(page)
		if err != nil {
			return fmt.Errorf("%s: %w", file, err)
		}
		if err := os.WriteFile(file, page, 0o644); err != nil { //nolint:gosec // a page that everyone reads
			return err
		}
	}
	return nil
}

// Marks of the places.
const (
	begin      = "<!-- table of drivers, made by go generate -->\n"
	beginBuses = "<!-- drivers by bus, made by go generate -->\n"
	end        = "<!-- end of the table -->\n"
)

// fill returns page with the present table in its place.
func fill(page []byte) ([]byte, error) {
	mark, write := begin, hw.WriteTable
	if bytes.Contains(page, []byte(beginBuses)) {
		mark, write = beginBuses, hw.WriteBuses
	}
	before, rest, ok := bytes.Cut(page, []byte(mark))
	_, after, ended := bytes.Cut(rest, []byte(end))
	if !ok || !ended {
		return nil, errors.New("the marks of the table are missing")
	}
	var out bytes.Buffer
	out.Write(before)
	out.WriteString(mark)
	if err := write(&out); err != nil {
		return nil, err
	}
	out.WriteString(end)
	out.Write(after)
	return out.Bytes(), nil
}
