package dtls_test

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"

	"lwm2m-agent/lwm2m/dtls"
)

// shows reports whether the text has the secret in one of the encodings that fmt,
// slog and encoding/json use for bytes.
func shows(text string, secret []byte) bool {
	decimal := strings.Trim(fmt.Sprintf("%d", secret), "[]")
	source := strings.TrimSuffix(strings.TrimPrefix(fmt.Sprintf("%#v", secret), "[]byte{"), "}")
	for _, form := range []string{
		string(secret), hex.EncodeToString(secret), base64.StdEncoding.EncodeToString(secret), decimal,
		strings.ReplaceAll(decimal, " ", ","), source, fmt.Sprintf("% x", secret),
	} {
		if strings.Contains(strings.ToLower(text), strings.ToLower(form)) {
			return true
		}
	}
	return false
}

// No verb of fmt and no handler of slog shows a key, by value or by pointer, alone
// or within another value.
func TestSecretsAreNotPrinted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, _ := connect(t, pskClient, pskServer)
		session, err := c.Session(10)
		if err != nil {
			t.Fatal(err)
		}
		cfg := pskClient
		cfg.Resume = session
		stored, err := json.Marshal(session)
		if err != nil || !shows(string(stored), session.MasterSecret) {
			t.Fatalf("a stored session lacks its secret, or the test is blind: %s, %v", stored, err)
		}
		values := []any{cfg, &cfg, *session, session, c, []any{cfg, session, c}, struct{ C dtls.Config }{cfg}, map[string]any{"c": session}}
		for _, v := range values {
			var out bytes.Buffer
			for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%x", "%q", "%d"} {
				fmt.Fprintf(&out, verb+"\n", v)
			}
			slog.New(slog.NewTextHandler(&out, nil)).Info("text", slog.Any("v", v))
			switch v.(type) {
			case dtls.Config, *dtls.Config, dtls.Session, *dtls.Session, *dtls.Conn: // the rest JSON encodes without asking slog
				slog.New(slog.NewJSONHandler(&out, nil)).Info("json", slog.Any("v", v))
			}
			for _, secret := range [][]byte{testPSK, session.MasterSecret} {
				if shows(out.String(), secret) {
					t.Errorf("%T shows %x:\n%s", v, secret, out.String())
				}
			}
			if !strings.Contains(out.String(), dtls.PSKWithAES128CCM8.String()) {
				t.Errorf("%T shows nothing at all:\n%s", v, out.String())
			}
		}
	})
}

func TestNames(t *testing.T) {
	for got, want := range map[string]string{
		dtls.PSKWithAES128CCM8.String():        "TLS_PSK_WITH_AES_128_CCM_8",
		dtls.ECDHEECDSAWithAES128CCM8.String(): "TLS_ECDHE_ECDSA_WITH_AES_128_CCM_8",
		dtls.Suite(0xc0af).String():            "cipher suite 0xc0af",
		dtls.AlertHandshakeFailure.String():    "handshake_failure",
		dtls.Alert(200).String():               "alert 200",
	} {
		if got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}
