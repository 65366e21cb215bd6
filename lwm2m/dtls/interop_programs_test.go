//go:build interop

package dtls_test

import (
	"bytes"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"lwm2m-agent/lwm2m/dtls"
	"lwm2m-agent/test/process"
	"lwm2m-agent/test/workspace"
)

// session is a full handshake, an exchange, and a second handshake that the server
// may resume. It returns whether it did.
func session(t *testing.T, port int, cfg dtls.Config, exchange func(net.Conn) error) (resumed bool) {
	t.Helper()
	first := untilUp(t, port, cfg)
	if err := exchange(first); err != nil {
		t.Error(err)
	}
	saved, err := first.Session(1)
	if err != nil {
		t.Fatal(err)
	}
	if err := first.Close(); err != nil {
		t.Error(err)
	}
	cfg.Resume = store(t, saved)
	second := untilUp(t, port, cfg)
	if err := exchange(second); err != nil {
		t.Error(err)
	}
	if err := second.Close(); err != nil {
		t.Error(err)
	}
	return second.Parameters().Resumed
}

// OpenSSL: each suite for pre-shared keys, with and without hint; resumption.
func TestOpenSSL(t *testing.T) {
	for suite, name := range map[dtls.Suite]string{
		dtls.PSKWithAES128CCM8:      "PSK-AES128-CCM8",
		dtls.PSKWithAES128CCM:       "PSK-AES128-CCM",
		dtls.PSKWithAES128GCMSHA256: "PSK-AES128-GCM-SHA256",
	} {
		for _, hint := range []string{"", "a hint"} {
			t.Run(fmt.Sprintf("%s/hint=%q", name, hint), func(t *testing.T) {
				port := freePort(t)
				args := []string{
					"s_server", "-dtls1_2", "-accept", fmt.Sprintf("127.0.0.1:%d", port), "-nocert", "-quiet",
					"-psk", hex.EncodeToString(testPSK), "-psk_identity", "gw-17", "-cipher", name + ":@SECLEVEL=0",
				}
				if hint != "" {
					args = append(args, "-psk_hint", hint)
				}
				exchange := lines(t, serve(t, program(t, "openssl", "openssl", args...)))
				cfg := with(pskClient, func(c *dtls.Config) { c.Suites = []dtls.Suite{suite} })
				if !session(t, port, cfg, exchange) {
					t.Error("not resumed")
				}
			})
		}
	}
}

// Each datagram of a handshake with OpenSSL lost, doubled and overtaken, by pre-shared key and by certificates.
func TestOpenSSLEachDatagram(t *testing.T) {
	t.Parallel()
	certificate, above, key, clients := files(t, serverCert, issuingCA)
	for name, v := range map[string]struct {
		args []string
		cfg  dtls.Config
	}{
		"psk":  {[]string{"-nocert", "-psk", hex.EncodeToString(testPSK), "-psk_identity", "gw-17", "-cipher", "PSK-AES128-CCM8:@SECLEVEL=0"}, pskClient},
		"x509": {[]string{"-cert", certificate, "-cert_chain", above, "-key", key, "-Verify", "3", "-verify_return_error", "-CAfile", clients, "-cipher", "ECDHE-ECDSA-AES128-CCM8:@SECLEVEL=0"}, x509Client},
	} {
		t.Run(name, func(t *testing.T) {
			eachDatagramHarmed(t, &peer{
				cfg: v.cfg,
				command: func(port int) *exec.Cmd {
					args := []string{"s_server", "-dtls1_2", "-accept", fmt.Sprintf("127.0.0.1:%d", port), "-quiet"}
					return program(t, "openssl", "openssl", slices.Concat(args, v.args)...)
				},
				exchange: printed,
			})
		})
	}
}

// lines returns an exchange with s_server, which prints what it receives, and sends what
// it reads.
func lines(t *testing.T, server *process.Process) func(net.Conn) error {
	t.Helper()
	said := 0
	return func(c net.Conn) error {
		said++
		text := fmt.Sprintf("line %d", said)
		if _, err := c.Write([]byte(text + "\n")); err != nil {
			return err
		}
		server.WaitPrefix(t, 30*time.Second, text)
		server.Write(t, text+" back\n")
		return receive(c, text+" back")
	}
}

// receive reads one record with the text.
func receive(c net.Conn, text string) error {
	if err := c.SetReadDeadline(time.Now().Add(30 * time.Second)); err != nil {
		return err
	}
	buf := make([]byte, 2048)
	n, err := c.Read(buf)
	if err == nil && !bytes.Contains(buf[:n], []byte(text)) {
		err = fmt.Errorf("received %q", buf[:n])
	}
	return err
}

// OpenSSL refuses a client without a common suite by an alert.
func TestOpenSSLRefuses(t *testing.T) {
	port := freePort(t)
	serve(t, program(t, "openssl", "openssl", "s_server", "-dtls1_2", "-accept", fmt.Sprintf("127.0.0.1:%d", port), "-nocert", "-quiet",
		"-psk", hex.EncodeToString(testPSK), "-psk_identity", "gw-17", "-cipher", "PSK-AES128-CCM8:@SECLEVEL=0"))
	cfg := with(pskClient, func(c *dtls.Config) { c.Suites = []dtls.Suite{dtls.PSKWithAES128CCM8} })
	untilUp(t, port, cfg).Close()
	_, err := dtls.Client(t.Context(), dialPort(t, port), with(cfg, func(c *dtls.Config) { c.Suites = []dtls.Suite{dtls.PSKWithAES128CCM} }))
	var e *dtls.Error
	if !errors.As(err, &e) || !e.Remote || e.Alert != dtls.AlertHandshakeFailure {
		t.Errorf("no common suite: %v", err)
	}
}

// libcoap on OpenSSL and on GnuTLS answers a CoAP request, by pre-shared key with
// its hint and, on GnuTLS, by raw public keys; also when a datagram of the handshake is harmed.
func TestLibcoap(t *testing.T) {
	t.Parallel()
	const request, answer = "\x40\x01\x12\x34", "libcoap" // GET /
	key := rpkFile(t)
	for name, v := range map[string]struct {
		program string
		args    []string
		cfg     dtls.Config
	}{
		"openssl psk": {"coap-server-openssl", []string{"-k", string(testPSK), "-h", "CoAP"}, pskClient},
		"gnutls psk":  {"coap-server-gnutls", []string{"-k", string(testPSK), "-h", "CoAP"}, pskClient},
		"gnutls rpk":  {"coap-server-gnutls", []string{"-M", key, "-n"}, rpkClient},
	} {
		t.Run(name, func(t *testing.T) {
			port := freePort(t)
			args := append([]string{"-A", "127.0.0.1", "-p", strconv.Itoa(port), "-v", "6"}, v.args...)
			serve(t, program(t, "libcoap3-bin", v.program, args...))
			c := untilUp(t, port+1, v.cfg)
			if err := ask(c, request, answer); err != nil {
				t.Error(err)
			}
			if err := c.Close(); err != nil {
				t.Error(err)
			}
			if v.cfg.PeerKey != nil {
				refusesKey(t, port+1)
			}
			eachDatagramHarmed(t, &peer{
				cfg: v.cfg, offset: 1,
				command: func(port int) *exec.Cmd {
					args := append([]string{"-A", "127.0.0.1", "-p", strconv.Itoa(port)}, v.args...)
					return program(t, "libcoap3-bin", v.program, args...)
				},
				exchange: asking(request, answer),
			})
		})
	}
}

// refusesKey checks that a server with another raw public key than expected is refused.
func refusesKey(t *testing.T, port int) {
	t.Helper()
	_, other := newKey()
	refused(t, dialPort(t, port), with(rpkClient, func(c *dtls.Config) { c.PeerKey = other }), dtls.AlertCertificateUnknown, false)
}

// rpkFile writes the server's key pair as libcoap wants it.
func rpkFile(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "rpk.pem")
	text := append(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: serverPub}),
		pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8(t)})...)
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// inNamespace is set in the copy of the test program that runs in a network
// namespace of its own.
const inNamespace = "LWM2M_TEST_NAMESPACE"

// GnuTLS by pre-shared key, by raw public keys and by certificates, with resumption, and with each
// datagram of the handshake harmed. gnutls-serv
// listens on all interfaces, so the test runs once more in a network namespace that
// has loopback alone.
func TestGnuTLS(t *testing.T) {
	if os.Getenv(inNamespace) == "" {
		t.Parallel()
		runInNamespace(t)
		return
	}
	loopbackUp(t)
	passwords := filepath.Join(t.TempDir(), "psk.txt")
	if err := os.WriteFile(passwords, []byte("gw-17:"+hex.EncodeToString(testPSK)+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	certificate, above, certificateKey, clients := files(t, serverCert, issuingCA)
	whole := joined(t, certificate, above)
	const base = "NORMAL:-VERS-ALL:+VERS-DTLS1.2:+AES-128-CCM-8:+AES-128-CCM:"
	for name, v := range map[string]struct {
		args []string
		cfg  dtls.Config
	}{
		"psk": {[]string{"--pskpasswd", passwords, "--priority", base + "+PSK"}, pskClient},
		"psk, hint": {[]string{"--pskpasswd", passwords, "--pskhint", "a hint", "--priority", base + "+PSK"}, with(pskClient, func(c *dtls.Config) {
			c.Suites = []dtls.Suite{dtls.PSKWithAES128CCM}
		})},
		"psk, GCM": {[]string{"--pskpasswd", passwords, "--priority", base + "+PSK"}, with(pskClient, func(c *dtls.Config) {
			c.Suites = []dtls.Suite{dtls.PSKWithAES128GCMSHA256}
		})},
		"rpk": {[]string{
			"--rawpkkeyfile", pemFile(t, "PRIVATE KEY", pkcs8(t)), "--rawpkfile", pemFile(t, "PUBLIC KEY", serverPub),
			"--require-client-cert", "--priority", base + "+ECDHE-ECDSA:+CTYPE-CLI-RAWPK:+CTYPE-SRV-RAWPK",
		}, rpkClient},
		"x509": {[]string{
			"--x509certfile", whole, "--x509keyfile", certificateKey, "--x509cafile", clients,
			"--require-client-cert", "--verify-client-cert", "--priority", base + "+ECDHE-ECDSA",
		}, x509Client},
	} {
		t.Run(name, func(t *testing.T) {
			command := func(port int) *exec.Cmd {
				return program(t, "gnutls-bin", "gnutls-serv", append(v.args, "--udp", "--echo", "--port", strconv.Itoa(port))...)
			}
			port := freePort(t)
			serve(t, command(port))
			if !session(t, port, v.cfg, func(c net.Conn) error { return ask(c, "hello\n", "hello") }) {
				t.Error("not resumed")
			}
			if v.cfg.Suites == nil { // of the others, one suffices
				eachDatagramHarmed(t, &peer{cfg: v.cfg, command: command, exchange: asking("hello\n", "hello")})
			}
			switch name {
			case "rpk":
				refusesKey(t, port)
			case "x509":
				other := with(x509Client, func(c *dtls.Config) {
					c.Trust = new(with(*c.Trust, func(t *dtls.Trust) { t.Name = "other.example.com" }))
				})
				refused(t, dialPort(t, port), other, dtls.AlertBadCertificate, false)
			}
		})
	}
}

// joined returns a file with what is in others.
func joined(t *testing.T, paths ...string) string {
	t.Helper()
	var all []byte
	for _, path := range paths {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, text...)
	}
	path := filepath.Join(t.TempDir(), "joined.pem")
	if err := os.WriteFile(path, all, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// runInNamespace runs the test in a copy of this program, in a new network namespace
// and, without root, a new user namespace.
func runInNamespace(t *testing.T) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run", "^"+t.Name()+"$", "-test.v")
	cmd.Env = append(os.Environ(), inNamespace+"=1", "LWM2M_ARTIFACTS="+filepath.Dir(workspace.Artifact(t, "x")))
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET}
	if os.Geteuid() != 0 {
		cmd.SysProcAttr.Cloneflags |= syscall.CLONE_NEWUSER
		cmd.SysProcAttr.UidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getuid(), Size: 1}}
		cmd.SysProcAttr.GidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getgid(), Size: 1}}
	}
	out, err := cmd.CombinedOutput()
	t.Logf("%s", out)
	if err != nil {
		t.Errorf("in a network namespace: %v", err)
	}
	if !bytes.Contains(out, []byte("--- PASS: "+t.Name())) {
		t.Error("the copy did not run the test")
	}
}

// loopbackUp makes 127.0.0.1 usable in a new network namespace.
func loopbackUp(t *testing.T) {
	t.Helper()
	socket, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(socket)
	request, err := unix.NewIfreq("lo")
	if err != nil {
		t.Fatal(err)
	}
	request.SetUint16(unix.IFF_UP)
	if err := unix.IoctlIfreq(socket, unix.SIOCSIFFLAGS, request); err != nil {
		t.Fatalf("bring up loopback: %v", err)
	}
}
