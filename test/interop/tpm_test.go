//go:build interop

package interop

import (
	"crypto"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"lwm2m-agent/test/gateway"
	"lwm2m-agent/test/tpm"
)

// provisioned is what the command provision prints.
type provisioned struct {
	Key       string
	PublicKey string `json:"public_key"`
	Request   string
	Secret    string
}

// provision runs the command with a TPM.
func provision(t *testing.T, dir string, device *tpm.TPM, args ...string) (p provisioned) {
	t.Helper()
	args = append([]string{"provision"}, append(args, "-json", "-dir", dir, "-tpm-device", device.Socket)...)
	out, err := exec.CommandContext(t.Context(), gateway.Binary(t), args...).Output()
	if err != nil {
		t.Fatalf("%q: %v\n%s", args, err, out)
	}
	if err := json.Unmarshal(out, &p); err != nil {
		t.Fatalf("%q: %v in %s", args, err, out)
	}
	return p
}

// answer signs a request as an authority does.
func (p *pki) answer(request string) []byte {
	block, _ := pem.Decode([]byte(request))
	r := made(x509.ParseCertificateRequest(block.Bytes))
	certificate := made(p.root.IssueFor(publicOnly{r.PublicKey, nil}, r.Subject.CommonName, nil)).Certificate
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: certificate.Raw})
}

// publicOnly is a key that does not sign.
type publicOnly struct {
	public crypto.PublicKey
	crypto.Signer
}

func (k publicOnly) Public() crypto.PublicKey { return k.public }

// tpmAccount is a [[server]] with a private key of the TPM.
func (p *pki) tpmAccount(device, key, more string) string {
	return fmt.Sprintf("\n[tpm]\ndevice = %q\n[[server]]\nuri = %q\nshort_server_id = 101\nlifetime = \"5m\"\nprivate_key_file = %q\n%s\n", device, p.CoAPS, key, more)
}

// TestLeshanTPM: an agent whose private key a TPM made and keeps registers at Leshan, by
// raw public key and by certificate. Without the TPM a session goes on, a new one cannot
// be made, and status says why until it is back.
func TestLeshanTPM(t *testing.T) {
	t.Parallel()
	p := newPKI(t, nil)
	sim := tpm.Start(t)
	key := provision(t, p.dir, sim, "rpk", "-tpm", "0x81000001")
	spki, err := hex.DecodeString(key.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	s := peer{p.Server, "gw-tpm", true}
	p.PublicKey(t, s.endpoint, spki)
	server := p.file(t, "server.pub", "PUBLIC KEY", p.server.Certificate.RawSubjectPublicKeyInfo)
	account := fmt.Sprintf("server_public_key_file = %q", server)
	toml := board(s.endpoint) + p.tpmAccount(sim.Socket, key.Key, account)
	a := gateway.Start(t, toml)
	s.AwaitRegistered(t, s.endpoint, patience)
	t.Run("formats", func(t *testing.T) { s.checkFormats(t) })
	if status := a.Status(t).Servers[0]; status.Transport != "DTLS RPK" {
		t.Errorf("transport %q", status.Transport)
	}
	sim.Stop(t)
	after := s.Now(t)
	a.Must(t, "update")
	s.AwaitType(t, after, patience, "updated", s.endpoint)
	a.Stop(t)
}

// TestLeshanWithoutTPM: what is said while the TPM is away, and that it is enough that it
// comes back.
func TestLeshanWithoutTPM(t *testing.T) {
	t.Parallel()
	p := newPKI(t, nil)
	sim := tpm.Start(t)
	const endpoint = "gw-tpm-x509"
	key := provision(t, p.dir, sim, "x509", "-tpm", "0x81000005", "-endpoint", endpoint)
	certificate := filepath.Join(p.dir, "answer.pem")
	if err := os.WriteFile(certificate, p.answer(key.Request), 0o600); err != nil {
		t.Fatal(err)
	}
	provision(t, p.dir, sim, "x509", "-tpm", "0x81000005", "-certificate", certificate)
	socket := sim.Socket
	sim.Stop(t)
	if err := os.Remove(socket); err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	p.Certificate(t, endpoint)
	account := fmt.Sprintf("certificate_file = %q\nserver_certificate_file = %q\ncertificate_usage = 2\nsni = %q", filepath.Join(p.dir, "device.crt.pem"),
		p.file(t, "root.crt", "CERTIFICATE", p.root.Certificate.Raw), serverName)
	a := gateway.Start(t, board(endpoint)+p.tpmAccount(socket, key.Key, account))
	status := a.AwaitStatus(t, "the key is unavailable", func(s gateway.Status) bool {
		return trouble(s, "key-unavailable") != "" && s.Servers[0].LastError != ""
	})
	if why := trouble(status, "key-unavailable"); !strings.Contains(why, "there is no such device") {
		t.Errorf("health says %q", why)
	}
	sim.Restart(t)
	if err := os.Symlink(sim.Socket, socket); err != nil {
		t.Fatal(err)
	}
	a.Must(t, "update")
	c := p.AwaitRegistered(t, endpoint, patience)
	if !strings.Contains(c.Identity, "x509") {
		t.Errorf("Leshan calls the client %s", c.Identity)
	}
	a.AwaitStatus(t, "the key can be used", func(s gateway.Status) bool { return trouble(s, "key-unavailable") == "" })
	a.Stop(t)
}

// TestLeshanSealedKey: a pre-shared key that no file has.
func TestLeshanSealedKey(t *testing.T) {
	t.Parallel()
	p := newPKI(t, nil)
	sim := tpm.Start(t)
	key := provision(t, p.dir, sim, "psk", "-seal", "-reveal", "-identity", identity)
	psk, err := hex.DecodeString(key.Secret)
	if err != nil {
		t.Fatal(err)
	}
	const endpoint = "gw-sealed"
	p.PSK(t, endpoint, identity, psk)
	a := gateway.Start(t, board(endpoint)+fmt.Sprintf("\n[tpm]\ndevice = %q\n[[server]]\nuri = %q\nshort_server_id = 101\nidentity = %q\nkey_file = %q\n", sim.Socket, p.CoAPS, identity, key.Key))
	p.AwaitRegistered(t, endpoint, patience)
	a.Stop(t)
}

func trouble(s gateway.Status, code string) string {
	for _, h := range s.Health {
		if h.Code == code {
			return h.Detail
		}
	}
	return ""
}
