// Generate makes the table of object definitions and the file NOTICE of package
// registry from the archive of registry files.
//
// It is run by "go generate" in the folder of that package.
package main

import (
	"fmt"
	"os"

	"lwm2m-agent/objects/registry/internal/oma"
	"lwm2m-agent/objects/registry/internal/table"
)

func main() {
	if err := generate("xml", "objects.bin", "NOTICE"); err != nil {
		fmt.Fprintln(os.Stderr, "generate the registry:", err)
		os.Exit(1) //nolint:forbidigo // a command
	}
}

func generate(folder, tableFile, noticeFile string) error {
	files, err := oma.ReadFolder(os.DirFS(folder))
	if err != nil {
		return err
	}
	text, err := table.Encode(oma.Definitions(files))
	if err != nil {
		return err
	}
	if err := table.Check(string(text)); err != nil {
		return fmt.Errorf("read back: %w", err)
	}
	if err := os.WriteFile(tableFile, text, 0o644); err != nil { //nolint:gosec // a source file
		return err
	}
	return os.WriteFile(noticeFile, []byte(oma.NoticeText(files)), 0o644) //nolint:gosec // a source file
}
