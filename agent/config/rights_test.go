package config

import (
	"slices"
	"testing"
)

func TestRights(t *testing.T) {
	const section = "[[server]]\nshort_server_id=1\nuri='coap://h'\n"
	plain := mustBuild(t, section).Servers[0]
	if plain.Rights != nil {
		t.Errorf("rights that are not given are %v", plain.Rights)
	}
	for text, want := range map[string][]Right{
		"[]":       {},
		"['read']": {RightRead},
		"['create', 'read', 'write', 'delete', 'execute']": {RightCreate, RightRead, RightWrite, RightDelete, RightExecute},
	} {
		got := mustBuild(t, section+"rights = "+text).Servers[0]
		if got.Rights == nil || !slices.Equal(got.Rights, want) {
			t.Errorf("%s: %v", text, got.Rights)
		}
		if got.Fingerprint != plain.Fingerprint {
			t.Errorf("%s counts as an edit of the account", text)
		}
	}
	for _, text := range []string{"'read'", "['Read']", "['read', 'read']", "[1]", "true", "[['read']]"} {
		if _, err := build(sources(section+"rights = "+text), Options{Drivers: drivers}, noKeys); err == nil {
			t.Errorf("%s is taken", text)
		}
	}
}
