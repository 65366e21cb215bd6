package config

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"

	"lwm2m-agent/agent/keys"
)

func TestPackageHosts(t *testing.T) {
	p := newPKI(t)
	files := reader(map[string]string{"own.crt": p.certificate, "own.key": p.key, "ca.crt": p.authority + p.certificate, "a.psk": "00112233"})
	cfg, err := build(sources("[firmware]\nbackend='file'\n"+
		"[[firmware.host]]\nhost='Depot.example.com'\nidentity='gw'\nkey_file='a.psk'\n"+
		"[[firmware.host]]\nhost='2001:db8::1'\ncertificate_file='own.crt'\nprivate_key_file='own.key'\nca_file='ca.crt'\n"+
		"[[firmware.host]]\nhost='192.0.2.1'\nca_file='ca.crt'\nmirrors=['https://cdn.example.com/fw', 'coap://[2001:db8::2]:5783']\n"+
		"[[firmware.host]]\nhost='tpm.example.com'\ncertificate_file='own.crt'\nprivate_key_file='tpm:0x81000001'\n"), Options{}, files)
	if err != nil {
		t.Fatal(err)
	}
	h := cfg.Firmware.Hosts
	if len(h) != 4 || h[0].Host != "depot.example.com" || h[0].Security != SecurityPSK || h[0].Identity != "gw" || !bytes.Equal(h[0].Key.Reveal(), []byte{0, 0x11, 0x22, 0x33}) {
		t.Errorf("%+v", h)
	}
	both := slices.Concat(fromPEM(p.authority), fromPEM(p.certificate))
	if h[1].Security != SecurityX509 || !bytes.Equal(h[1].Public, fromPEM(p.certificate)) || h[1].Key.IsZero() || !bytes.Equal(h[1].Authorities, both) {
		t.Errorf("%+v", h[1])
	}
	if h[2].Security != SecurityNone || fmt.Sprint(h[2].Mirrors) != "[https://cdn.example.com/fw coap://[2001:db8::2]:5783]" || !bytes.Equal(h[2].Authorities, both) || h[3].Held != (keys.Place{Kind: keys.TPM, Handle: 0x81000001}) || !h[3].Key.IsZero() {
		t.Errorf("%+v, %+v", h[2], h[3])
	}
	if outdated := cfg.Outdated(validUntil.AddDate(1, 0, 0)); len(outdated) != 2 {
		t.Errorf("%v", outdated)
	}
	if shown := fmt.Sprintf("%+v %#v", h, h); strings.Contains(shown, "00112233") || strings.Contains(shown, "112233") {
		t.Errorf("the key is shown: %s", shown)
	}
}

func TestPackageHostRefusals(t *testing.T) {
	p := newPKI(t)
	files := reader(map[string]string{
		"own.crt": p.certificate, "own.key": p.key, "other.key": p.otherKey, "open-own.key": p.key, "a.psk": "00112233", "open-a.psk": "00112233", "empty": "",
	})
	head := "[firmware]\nbackend='file'\n[[firmware.host]]\n"
	const at = "agent.toml:3: firmware: host \"h\": "
	for _, tt := range []struct{ text, want string }{
		{"identity='i'\nkey_file='a.psk'", "host is missing; it tells one [[host]] from the other"},
		{"host='h'", at + "nothing is said about the host; give identity and key_file, certificate_file and private_key_file, ca_file or mirrors"},
		{"host='coaps://h'", `host: "coaps://h" is not valid; allowed: the name or address of a host, 1 to 253 bytes, without scheme, port and brackets`},
		{"host='h:5684'\nca_file='own.crt'", `host: "h:5684" is not valid`},
		{"host='h'\nidentity='i'", at + "key_file: missing; a pre-shared key needs it"},
		{"host='h'\nkey_file='a.psk'", at + "identity: missing; a pre-shared key needs it"},
		{"host='h'\ncertificate_file='own.crt'", at + "private_key_file: missing; certificate_file needs it"},
		{"host='h'\nprivate_key_file='own.key'", at + "certificate_file: missing; private_key_file needs it"},
		{"host='h'\nidentity='i'\nkey_file='a.psk'\ncertificate_file='own.crt'\nprivate_key_file='own.key'", "certificate_file: there is a pre-shared key as well; give one of them"},
		{"host='h'\nidentity='i'\nkey_file='open-a.psk'", "open-a.psk is open to more than its owner and a group that reads it; run: chmod g-w,o-rwx"},
		{"host='h'\nidentity='i'\nkey='zz'", "key: this is not valid; allowed: 1 to 64 bytes in hexadecimal"},
		{"host='h'\ncertificate_file='own.crt'\nprivate_key_file='open-own.key'", "open-own.key is open to more than its owner"},
		{"host='h'\ncertificate_file='own.crt'\nprivate_key_file='other.key'", "private_key_file: the key does not belong to the certificate in certificate_file"},
		{"host='h'\nca_file='empty'", "empty does not hold a certificate"},
		{"host='h'\nca_file='nowhere'", "nowhere cannot be read"},
		{"host='h'\nmirrors=[]", "mirrors: this is not valid; allowed: a list of 1 to 8 URIs with a scheme (coap, coaps, coap+tcp, coaps+tcp, http, https), a host, and a path or none"},
		{"host='h'\nmirrors=['ftp://m/']", "mirrors: this is not valid"},
		{"host='h'\nmirrors=['https://user:word@m/']", "mirrors: this is not valid"},
		{"host='h'\nmirrors=['https://m/?a']", "mirrors: this is not valid"},
		{"host='h'\nmirrors=['https:///x']", "mirrors: this is not valid"},
		{"host='h'\nserver_certificate_file='own.crt'", "server_certificate_file: unknown"},
		{"host='h'\nca_file='own.crt'\n[[firmware.host]]\nhost='H'\nca_file='own.crt'", "is there twice"},
	} {
		_, err := build(sources(head+tt.text), Options{}, files)
		if err == nil || !strings.Contains(fmt.Sprint(err), tt.want) {
			t.Errorf("%s: %v; want %s", tt.text, err, tt.want)
		}
	}
}
