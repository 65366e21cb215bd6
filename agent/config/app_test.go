package config

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestApps(t *testing.T) {
	cfg, err := build(sources("[[app]]\nname='meter-reader'\nuser='meter'\nobjects=[26300, 3305]\n"), Options{}, noKeys)
	if err != nil {
		t.Fatal(err)
	}
	if len(cfg.Apps) != 1 || cfg.Apps[0].Name != "meter-reader" || cfg.Apps[0].User != "meter" {
		t.Fatalf("%+v", cfg.Apps)
	}
	if d := cmp.Diff([]uint16{3305, 26300}, cfg.Apps[0].Objects); d != "" {
		t.Error(d)
	}
	// A later file lays its list over the former one, by name.
	cfg, err = build(sources("[[app]]\nname='a'\nuser='u'\nobjects=[3305]\n", "[[app]]\nname='a'\nobjects=[3306]\n"), Options{}, noKeys)
	if err != nil || len(cfg.Apps) != 1 || !cmp.Equal(cfg.Apps[0].Objects, []uint16{3306}) || cfg.Apps[0].User != "u" {
		t.Errorf("%+v, %v", cfg, err)
	}
}

func TestAppRefusals(t *testing.T) {
	const list = "allowed: a list of 1 to 32 object numbers from 8 to 65534 without 21 and 23, each once"
	head := "[[app]]\nname='a'\nuser='u'\n"
	tests := []struct{ name, text, want string }{
		{"no user", "[[app]]\nname='a'\nobjects=[9]", `agent.toml:1: app "a": user: missing; needs text of 1 to 32 bytes`},
		{"no objects", head, `agent.toml:1: app "a": objects: missing; needs a list of 1 to 32 object numbers from 8 to 65534 without 21 and 23, each once`},
		{"no name", "[[app]]\nuser='u'\nobjects=[9]", "agent.toml:1: app: name is missing; it tells one [[app]] from the other"},
		{"name with a slash", "[[app]]\nname='a/b'\nuser='u'\nobjects=[9]", `agent.toml:2: app "a/b": name: "a/b" is not valid; allowed: 1 to 64 letters, digits, "-", "_" and ".", beginning with a letter or digit`},
		{"object of the device", head + "objects=[3305,\n3]", `agent.toml:4: app "a": objects: this is not valid; ` + list},
		{"object of credentials", head + "objects=[21]", `agent.toml:4: app "a": objects: this is not valid; ` + list},
		{"reserved number", head + "objects=[65535]", `agent.toml:4: app "a": objects: this is not valid; ` + list},
		{"object twice", head + "objects=[9, 9]", `agent.toml:4: app "a": objects: this is not valid; ` + list},
		{"no list", head + "objects=3305", `agent.toml:4: app "a": objects: 3305 is not valid; ` + list},
		{"text in the list", head + "objects=['3305']", `agent.toml:4: app "a": objects: this is not valid; ` + list},
		{"empty list", head + "objects=[]", `agent.toml:4: app "a": objects: this is not valid; ` + list},
		{"unknown key", head + "objects=[9]\nobject=3", `agent.toml:5: app "a": object: unknown; did you mean "objects"? allowed: name, user, objects`},
		{"two claim one", head + "objects=[9]\n[[app]]\nname='b'\nuser='u'\nobjects=[8, 9]", `agent.toml:8: app "b": objects: 9 belongs to app "a" already, agent.toml:1; give each object to one application`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := build(sources(tt.text), Options{}, noKeys)
			problems, _ := errors.AsType[Problems](err)
			if got := fmt.Sprint(err); len(problems) != 1 || got != tt.want {
				t.Errorf("%s\nwant %s", got, tt.want)
			}
		})
	}
	var many strings.Builder
	for i := range maxApps + 1 {
		fmt.Fprintf(&many, "[[app]]\nname='a%d'\nuser='u'\nobjects=[%d]\n", i, 100+i)
	}
	if _, err := build(sources(many.String()), Options{}, noKeys); err == nil || !strings.Contains(err.Error(), `agent.toml:65: app "a16": more than 16 applications`) {
		t.Errorf("17 applications: %v", err)
	}
}
