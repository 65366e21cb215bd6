//go:build interop

package agent

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"strings"
	"testing"

	"lwm2m-agent/agent/health"
	"lwm2m-agent/agent/keys"
	"lwm2m-agent/fota"
	"lwm2m-agent/test/tpm"
)

// TestInteropPackageHostTPM: packages come by https, by DTLS and by TLS to who shows a certificate whose key a TPM (swtpm) made and keeps. While the TPM is away
// it is no refusal, so that the download is tried again, and health says why.
func TestInteropPackageHostTPM(t *testing.T) {
	sim := tpm.Start(t)
	key, err := (&keys.Holder{Device: sim.Socket}).Make(0x81000001, false)
	if err != nil {
		t.Fatal(err)
	}
	spki, err := x509.MarshalPKIXPublicKey(key.Public())
	if err != nil {
		t.Fatal(err)
	}
	h := newHosts(t, strings.Replace(hostTables, "'own.key'", "'tpm:0x81000001'", 1)+fmt.Sprintf("[tpm]\ndevice='%s'\n", sim.Socket), func(h *hosts) {
		own, err := h.ca.IssueFor(key, "gw", nil)
		h.must(err)
		h.write(t, "own.crt", "CERTIFICATE", own.Certificate.Raw)
	})
	server := ofHost(t, h.ca, "127.0.0.2")
	web := newWebDepot(t, "127.0.0.2", server, tls.RequireAndVerifyClientCert, h.clients(), h.serve)
	d := &packageDepot{certified: h.certified, T: t, at: "127.0.0.2", own: server, asks: spki, serve: servingPackage(h.content)}
	t.Cleanup(d.tasks.Wait)
	uris := []string{web.URL + "/package", d.open("coaps"), d.open("coaps+tcp")}
	for _, uri := range uris {
		if err := h.fetch(uri); err != nil {
			t.Errorf("%s: %v", uri, err)
		}
	}
	if fmt.Sprint(web.shown) != "[gw]" {
		t.Errorf("https was shown %v", web.shown)
	}
	h.agent.await(t, health.KeyUnavailable, false)
	web.CloseClientConnections()
	sim.Stop(t)
	if err := h.fetch(uris[1]); err == nil || errors.Is(err, fota.ErrRefused) {
		t.Errorf("without a TPM: %v", err)
	}
	h.agent.await(t, health.KeyUnavailable, true)
}
