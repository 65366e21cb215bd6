//go:build interop

package dtls_test

import (
	"embed"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"lwm2m-agent/lwm2m/dtls"
	"lwm2m-agent/lwm2m/dtls/dtlstest"
	"lwm2m-agent/test/workspace"
)

//go:embed testdata/scandium
var scandiumSource embed.FS

// scandium starts Californium's DTLS and returns its ports by the length of the
// connection ID on our records, and those for certificates in place of raw public keys. The
// certificates are of the same keys.
func scandium(t *testing.T, lengths ...string) (ports, certified map[int]int) {
	t.Helper()
	own := must(issuingCA.IssueFor(serverKey, serverName, nil))
	args := slices.Concat([]string{
		"-Xmx128m", "-cp", scandiumClasses(t), "ScandiumPeer",
		"gw-17", hex.EncodeToString(testPSK), hex.EncodeToString(pkcs8(t)), hex.EncodeToString(serverPub), hex.EncodeToString(clientPub),
		hex.EncodeToString(own.Certificate.Raw), hex.EncodeToString(issuingCA.Certificate.Raw), hex.EncodeToString(rootCA.Certificate.Raw),
	}, lengths)
	p := serve(t, program(t, "default-jdk-headless", "java", args...))
	p.WaitPrefix(t, time.Minute, "READY")
	ports, certified = make(map[int]int), make(map[int]int)
	for _, line := range p.Output() {
		var length, port int
		if _, err := fmt.Sscanf(line, "PORT %d %d", &length, &port); err == nil {
			ports[length] = port
		}
		if _, err := fmt.Sscanf(line, "CERT %d %d", &length, &port); err == nil {
			certified[length] = port
		}
	}
	return ports, certified
}

// scandiumClasses returns the class path of the peer, fetched and compiled once.
func scandiumClasses(t *testing.T) string {
	t.Helper()
	files := map[string]string{"pom.xml": "", "ScandiumPeer.java": ""}
	for name := range files {
		text, err := scandiumSource.ReadFile("testdata/scandium/" + name)
		if err != nil {
			t.Fatal(err)
		}
		files[name] = string(text)
	}
	inputs := []string{files["pom.xml"], files["ScandiumPeer.java"]}
	dir := workspace.Cached(t, "scandium", inputs, func(dir string) error {
		for name, text := range files {
			if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
				return err
			}
		}
		for _, cmd := range []*exec.Cmd{
			program(t, "maven", "mvn", "-q", "-B", "-Dmaven.repo.local="+filepath.Join(workspace.Cache(t), "maven"),
				"org.apache.maven.plugins:maven-dependency-plugin:3.6.1:copy-dependencies", "-DincludeScope=runtime", "-DoutputDirectory=lib"),
			program(t, "default-jdk-headless", "javac", "-cp", "lib/*", "-d", "classes", "ScandiumPeer.java"),
		} {
			cmd.Dir = dir
			if out, err := cmd.CombinedOutput(); err != nil {
				return fmt.Errorf("%s: %w\n%s", cmd.Path, err, out)
			}
		}
		return nil
	})
	return filepath.Join(dir, "classes") + ":" + filepath.Join(dir, "lib", "*")
}

// Californium, the other side of Leshan: every combination of credentials and
// connection IDs, resumption, a session over a new socket, each datagram of the
// handshakes lost, doubled and overtaken, small datagrams, wrong keys.
func TestScandium(t *testing.T) {
	ports, certified := scandium(t, "-1", "0", "6")
	kinds := map[string]dtls.Config{
		"psk": pskClient,
		"rpk": rpkClient,
		"CCM": with(pskClient, func(c *dtls.Config) { c.Suites = []dtls.Suite{dtls.PSKWithAES128CCM} }),
		"GCM": with(pskClient, func(c *dtls.Config) { c.Suites = []dtls.Suite{dtls.PSKWithAES128GCMSHA256} }),
	}
	kinds["x509"] = x509Client
	kinds["x509, GCM"] = with(x509Client, func(c *dtls.Config) { c.Suites = []dtls.Suite{dtls.ECDHEECDSAWithAES128GCMSHA256} })
	for kind, cfg := range kinds {
		ports := ports
		if cfg.Trust != nil {
			ports = certified
		}
		for length, port := range ports {
			for _, own := range []int{-1, 0, 4} {
				t.Run(fmt.Sprintf("%s/IDs %d and %d", kind, own, length), func(t *testing.T) {
					t.Parallel()
					scandiumSession(t, port, length, with(cfg, func(c *dtls.Config) { c.CIDLength = own }))
				})
			}
		}
	}
	for _, kind := range []string{"psk", "rpk"} {
		t.Run(kind+" harmed", func(t *testing.T) { scandiumHarmed(t, ports[6], kinds[kind]) })
	}
	t.Run("x509 harmed", func(t *testing.T) { scandiumHarmed(t, certified[6], x509Client) })
	t.Run("wrong keys", func(t *testing.T) { scandiumRefuses(t, ports[6]) })
	t.Run("wrong certificates", func(t *testing.T) { scandiumRefusesCertificates(t, certified[6]) })
}

// scandiumSession is a life: full handshake, data, a new socket, resumption.
func scandiumSession(t *testing.T, port, length int, cfg dtls.Config) {
	t.Helper()
	c, err := dtls.Client(t.Context(), dialPort(t, port), cfg)
	if err != nil {
		t.Fatal(err)
	}
	p := c.Parameters()
	local, remote := max(cfg.CIDLength, 0), max(length, 0)
	if cfg.CIDLength < 0 || length < 0 {
		local, remote = 0, 0
	}
	if len(p.LocalCID) != local || len(p.RemoteCID) != remote || !p.ExtendedMasterSecret {
		t.Errorf("parameters %+v", p)
	}
	who := p.Suite.String() + " true"
	if cfg.PSK != nil {
		who = "gw-17 " + who
	}
	if err := ask(c, "who", who); err != nil {
		t.Error(err)
	}
	if remote > 0 {
		if c, err = restored(t, c, port); err != nil {
			t.Fatal(err)
		}
		if err := ask(c, "from a new socket", "new socket"); err != nil {
			t.Error(err)
		}
	}
	session, err := c.Session(0)
	if err != nil {
		t.Fatal(err)
	}
	cfg.Resume = store(t, session)
	c, err = dtls.Client(t.Context(), dialPort(t, port), cfg)
	if err != nil {
		t.Fatal(err)
	}
	if !c.Parameters().Resumed {
		t.Error("not resumed")
	}
	if err := ask(c, "resumed", "resumed"); err != nil {
		t.Error(err)
	}
	if err := c.Close(); err != nil {
		t.Error(err)
	}
}

// restored moves a session to a new socket, through a disk.
func restored(t *testing.T, c *dtls.Conn, port int) (*dtls.Conn, error) {
	t.Helper()
	session, err := c.Session(0)
	if err != nil {
		return nil, err
	}
	moved, err := dtls.Restore(dialPort(t, port), store(t, session))
	if err != nil {
		return nil, err
	}
	_, err = moved.Session(1000)
	return moved, err
}

// scandiumHarmed loses, doubles and delays single datagrams of a full and of an abbreviated
// handshake. Each resumes a session of its own: Scandium drops the connection of a
// session that is resumed elsewhere.
func scandiumHarmed(t *testing.T, port int, cfg dtls.Config) {
	t.Helper()
	cfg.CIDLength, cfg.RetransmitInitial = 4, 400*time.Millisecond
	for _, resumed := range []bool{false, true} {
		run := func(name string, n network, mtu int) {
			t.Run(fmt.Sprintf("resumed %v/%s", resumed, name), func(t *testing.T) {
				t.Parallel()
				cfg := cfg
				if resumed {
					session, err := through(t, port, cfg, network{}).Session(0)
					if err != nil {
						t.Fatal(err)
					}
					cfg.Resume = session
				}
				cfg.MTU = mtu
				if c := through(t, port, cfg, n); c.Parameters().Resumed != resumed {
					t.Errorf("resumed: %v", !resumed)
				}
			})
		}
		for n := range 3 {
			for harm, route := range harms(n) {
				run(fmt.Sprintf("%s to server %d", harm, n), network{toServer: route}, 0)
			}
			for harm, route := range harms(n) {
				run(fmt.Sprintf("%s to client %d", harm, n), network{toClient: route}, 0)
			}
		}
		run("all doubled", network{dtlstest.Double(), dtlstest.Double()}, 0)
		run("272 bytes", network{}, 272)
	}
}

// through runs a handshake and an exchange through the network.
func through(t *testing.T, port int, cfg dtls.Config, n network) *dtls.Conn {
	t.Helper()
	c, err := dtls.Client(t.Context(), &harmedConn{Conn: dialPort(t, port), network: n}, cfg)
	if err != nil {
		t.Fatal(err)
	}
	if err := ask(c, "through", "through"); err != nil {
		t.Error(err)
	}
	return c
}

// Certificates that one side does not trust.
func scandiumRefusesCertificates(t *testing.T, port int) {
	t.Helper()
	trust := func(change func(*dtls.Trust)) dtls.Config {
		return with(x509Client, func(c *dtls.Config) { c.Trust = new(with(*c.Trust, change)) })
	}
	refused(t, dialPort(t, port), trust(func(t *dtls.Trust) { t.Name = "other.example.com" }), dtls.AlertBadCertificate, false)
	refused(t, dialPort(t, port), trust(func(t *dtls.Trust) { t.Data = strangeCA.Certificate.Raw }), dtls.AlertUnknownCA, false)
	refused(t, dialPort(t, port), with(x509Client, func(c *dtls.Config) { c.Now = lastDay }), dtls.AlertCertificateExpired, false)
	stranger := must(strangeCA.Issue("gw-17", nil))
	refused(t, dialPort(t, port), with(x509Client, func(c *dtls.Config) { c.Key, c.Certificates = stranger.Key, chain(stranger) }),
		dtls.AlertBadCertificate, true)
}

// A wrong pre-shared key looks like silence from Scandium; the rest ends by alerts.
func scandiumRefuses(t *testing.T, port int) {
	t.Helper()
	otherKey, otherPub := newKey()
	_, err := dtls.Client(t.Context(), dialPort(t, port), with(pskClient, func(c *dtls.Config) {
		c.PSK, c.Timeout = []byte("another"), 5*time.Second
	}))
	var timeout *dtls.TimeoutError
	if !errors.As(err, &timeout) || timeout.Awaited != "Finished" {
		t.Errorf("wrong pre-shared key: %v", err)
	}
	refused(t, dialPort(t, port), with(rpkClient, func(c *dtls.Config) { c.PeerKey = otherPub }), dtls.AlertCertificateUnknown, false)
	refused(t, dialPort(t, port), with(rpkClient, func(c *dtls.Config) { c.Key = otherKey }), dtls.AlertBadCertificate, true)
}
