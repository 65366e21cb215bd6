package config

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

func TestFirmware(t *testing.T) {
	cfg, err := build(sources("[firmware]\nbackend='file'\n"), Options{}, noKeys)
	if err != nil {
		t.Fatal(err)
	}
	want := &Firmware{Backend: FirmwareFile, Confirm: DefaultConfirm, Limit: DefaultConfirmLimit, MaxSize: DefaultMaxSize, Patience: DefaultPatience}
	if d := cmp.Diff(want, cfg.Firmware, cmpopts.IgnoreFields(Firmware{}, "Section")); d != "" {
		t.Error(d)
	}
	cfg, err = build(sources("[firmware]\nbackend='file'\nconfirm='30s'\ncheck=['/bin/true', '-x']\nconsent=true\nca_file='ca.pem'\n"), Options{}, noKeys)
	if err != nil {
		t.Fatal(err)
	}
	f := cfg.Firmware
	if f.Confirm != 30*time.Second || !cmp.Equal(f.Check, []string{"/bin/true", "-x"}) || !f.Consent || filepath.Base(f.CAFile) != "ca.pem" {
		t.Errorf("%+v", f)
	}
	if cfg, err = build(sources("endpoint='x'"), Options{}, noKeys); err != nil || cfg.Firmware != nil {
		t.Errorf("%+v, %v", cfg.Firmware, err)
	}
}

func TestFirmwareRefusals(t *testing.T) {
	head := "[firmware]\nbackend='file'\n"
	for _, tt := range []struct{ text, want string }{
		{"[firmware]\nconfirm='1m'", "firmware: backend: missing"},
		{"[firmware]\nbackend='floppy'", "backend: \"floppy\" is not valid"},
		{head + "check=['true']", "check: this is not valid; allowed: a list of texts: the absolute path of a program, and its arguments"},
		{head + "check=[]", "check: this is not valid"},
		{head + "check=['/bin/x', 3]", "check: this is not valid"},
		{head + "check='/bin/x'", "check: \"/bin/x\" is not valid"},
		{head + "confirm='0s'", "confirm: \"0s\" is not valid"},
		{head + "confirm='10m'\nconfirm_limit='5m'", "confirm_limit: 5m is less than confirm, 10m"},
		{head + "max_size=0", "max_size: 0 is not valid"},
	} {
		_, err := build(sources(tt.text), Options{}, noKeys)
		if err == nil || !strings.Contains(fmt.Sprint(err), tt.want) {
			t.Errorf("%s: %v; want %s", tt.text, err, tt.want)
		}
	}
}
