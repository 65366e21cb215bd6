// Command gendoc writes the page on troubleshooting from the table of package
// health: go run ./gendoc FILE. It knows nothing else.
package main

import (
	"fmt"
	"os"

	"lwm2m-agent/agent/health"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "gendoc:", err)
		os.Exit(1) //nolint:forbidigo // this is main
	}
}

func run(args []string) error {
	if len(args) != 1 {
		return fmt.Errorf("usage: gendoc FILE")
	}
	f, err := os.Create(args[0]) //nolint:gosec // go generate names it
	if err != nil {
		return err
	}
	if err := health.WritePage(f); err != nil {
		return err
	}
	return f.Close()
}
