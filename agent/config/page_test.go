package config

import (
	"errors"
	"strings"
	"testing"
)

const goodToken = "0123456789abcdef"

// tokens is a keyReader of the files that TestPage names.
func tokens(file string) (text []byte, open bool, err error) {
	switch {
	case strings.HasSuffix(file, "good"):
		return []byte(goodToken + "\n"), false, nil
	case strings.HasSuffix(file, "open"):
		return []byte(goodToken), true, nil
	case strings.HasSuffix(file, "short"):
		return []byte("hunter2hunter2"), false, nil
	case strings.HasSuffix(file, "odd"):
		return []byte(goodToken + "&x"), false, nil
	}
	return nil, false, errors.New("there is none")
}

// TestPage: the page is nowhere unless somebody asks for it, reads only unless somebody asks for
// more, and then has a token.
func TestPage(t *testing.T) {
	if cfg, err := build(sources(""), Options{}, tokens); err != nil || cfg.Page.Listen != (Local{}) || cfg.Page.Write {
		t.Errorf("by default: %+v, %v", cfg, err)
	}
	const listen = "[page]\nlisten = 'unix:/run/p.sock'\n"
	cfg, err := build(sources(listen), Options{}, tokens)
	if err != nil || cfg.Page.Listen != (Local{"unix", "/run/p.sock"}) || cfg.Page.Write || !cfg.Page.Token.IsZero() {
		t.Errorf("%+v, %v", cfg, err)
	}
	cfg, err = build(sources(listen+"token_file = 'good'\nwrite = true"), Options{}, tokens)
	if err != nil || !cfg.Page.Write || string(cfg.Page.Token.Reveal()) != goodToken {
		t.Errorf("%+v, %v", cfg, err)
	}
	for text, want := range map[string]string{
		"[page]\nwrite = false":                       "agent.toml:1: page: listen: missing",
		"[page]\nlisten = '0.0.0.0:80'":               "agent.toml:2: page: listen: ",
		listen + "write = true":                       "agent.toml:3: page: write: needs token_file",
		listen + "write = true\ntoken_file = 'none'":  "agent.toml:4: page: token_file: ",
		listen + "write = true\ntoken_file = 'open'":  "run: chmod g-w,o-rwx ",
		listen + "write = true\ntoken_file = 'short'": "does not hold a token",
		listen + "write = true\ntoken_file = 'odd'":   "does not hold a token",
	} {
		_, err := build(sources(text), Options{}, tokens)
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "hunter") || strings.Contains(err.Error(), goodToken) {
			t.Errorf("%s: %v, want %s", text, err, want)
		}
	}
}
