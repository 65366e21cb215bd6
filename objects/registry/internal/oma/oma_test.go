package oma

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const example = `<?xml version="1.0"?>
<!-- BSD-3 Clause License

Copyright 2020 Example Ltd.

Redistribution and use in source and binary forms are permitted. No warranty, even if advised of
the possibility of SUCH DAMAGE. -->
<LWM2M><Object><Name>Something</Name><ObjectID> 32000 </ObjectID><ObjectVersion>1.1</ObjectVersion>
<MultipleInstances>Multiple</MultipleInstances><Mandatory>Optional</Mandatory><Resources>
<Item ID="2"><Name>Second</Name><Operations>E</Operations><MultipleInstances>Single</MultipleInstances><Mandatory>Mandatory</Mandatory></Item>
</Resources></Object></LWM2M>`

// archive packs texts under names.
func archive(t *testing.T, files ...string) []byte {
	t.Helper()
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	w := tar.NewWriter(z)
	for i := 0; i < len(files); i += 2 {
		if err := w.WriteHeader(&tar.Header{Name: files[i], Mode: 0o644, Size: int64(len(files[i+1]))}); err != nil {
			t.Fatal(err)
		}
		fmt.Fprint(w, files[i+1])
	}
	w.Close()
	z.Close()
	return b.Bytes()
}

func TestReadArchive(t *testing.T) {
	older := strings.Replace(example, ">1.1<", ">1.0<", 1)
	other := strings.Replace(strings.Replace(example, " 32000 ", "5", 1), "Copyright 2020 Example Ltd.", "", 1)
	files, err := ReadArchive(bytes.NewReader(archive(t,
		"version_history/32000-1_0.xml", older, "version_history/32000-1_1.xml", example, "32000.xml", example, "5.xml", other)))
	if err != nil {
		t.Fatal(err)
	}
	names := make([]string, 0, len(files))
	for _, f := range files {
		names = append(names, f.Name)
	}
	want := []string{"5.xml", "32000.xml", "version_history/32000-1_1.xml", "version_history/32000-1_0.xml"}
	if d := cmp.Diff(want, names); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
	if got := Definitions(files); len(got) != 3 || got[1] != files[1].Definition {
		t.Errorf("%d definitions; a version that is there twice must come from the current file", len(got))
	}
	if n := files[1].Notice; n.Copyright != "Copyright 2020 Example Ltd" || n.Licence != "BSD-3-Clause" {
		t.Errorf("notice %+v", n)
	}
	text := NoticeText(files)
	for _, want := range []string{"Copyright 2020 Example Ltd, BSD-3-Clause:\n  32000 ", "names no copyright holder, BSD-3-Clause:\n  5\n", "even if advised of\nthe possibility"} {
		if !strings.Contains(text, want) {
			t.Errorf("the notice lacks %q:\n%s", want, text)
		}
	}
}

func TestReadArchiveRefusals(t *testing.T) {
	whole := archive(t, "1.xml", example)
	for name, b := range map[string][]byte{
		"empty":      nil,
		"no archive": []byte("PK\x03\x04 this is something else"),
		"cut off":    whole[:len(whole)/2],
		"bad file":   archive(t, "1.xml", "<LWM2M>"),
	} {
		if files, err := ReadArchive(bytes.NewReader(b)); err == nil {
			t.Errorf("%s: %d files", name, len(files))
		}
	}
}
