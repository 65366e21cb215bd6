package registry

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"lwm2m-agent/lwm2m"
)

const vendors = `<LWM2M><Object><Name>%s</Name><ObjectID>%d</ObjectID><MultipleInstances>Single</MultipleInstances><Mandatory>Optional</Mandatory>
<Resources><Item ID="0"><Name>Level</Name><Operations>R</Operations><MultipleInstances>Single</MultipleInstances><Mandatory>Mandatory</Mandatory><Type>Float</Type></Item>
</Resources></Object></LWM2M>`

func TestAddFolder(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("1.xml", fmt.Sprintf(vendors, "Temperature", 33001))
	write("2.xml", fmt.Sprintf(vendors, "Silo", 33000))
	write("notes.txt", "<")
	if err := os.Mkdir(filepath.Join(dir, "old.xml"), 0o700); err != nil {
		t.Fatal(err)
	}
	r := Definitions()
	if wrong := r.AddFolder(dir); len(wrong) > 0 {
		t.Fatal(wrong)
	}
	if d, ok := r.Object(33000); !ok || d.Name != "Silo" || d.Resource(0) == nil {
		t.Errorf("%+v, %v", d, ok)
	}
	if _, ok := r.Version(33000, lwm2m.Version11); ok {
		t.Error("there is a version that nobody defined")
	}
	for path, name := range map[string]string{"/33000/0/0": "/silo/0/level", "/33001/0": "/temperature-33001/0", "/3303/0": "/temperature/0"} {
		p := lwm2m.MustPath(path)
		if got := r.PathName(p); got != name {
			t.Errorf("%s is %s, want %s", path, got, name)
		}
		if got, err := r.ParsePath(name); err != nil || got != p {
			t.Errorf("%s is %v, %v, want %s", name, got, err, path)
		}
	}
	found := 0
	for _, e := range r.List() {
		if e.Key == "silo" && e.ID == 33000 || e.Key == "temperature-33001" {
			found++
		}
	}
	if found != 2 {
		t.Errorf("%d of 2 are listed", found)
	}
	for i := range maxOwn {
		write(fmt.Sprintf("more%d.xml", i), "")
	}
	if wrong := Definitions().AddFolder(dir); len(wrong) != 1 || !strings.Contains(wrong[0].Error(), "256 are the most") {
		t.Error(wrong)
	}
}
