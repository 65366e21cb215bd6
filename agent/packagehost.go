package agent

import (
	"crypto"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net/url"
	"strings"

	"lwm2m-agent/agent/config"
	"lwm2m-agent/agent/keys"
	"lwm2m-agent/fota"
	httpfetch "lwm2m-agent/fota/fetch"
	"lwm2m-agent/lwm2m/client"
	"lwm2m-agent/lwm2m/dtls"
)

// packageHost returns what the configuration says about a host that packages come from, nil if
// it says nothing.
func (a *Agent) packageHost(name string) *config.PackageHost {
	f := a.opts.Config.Firmware
	for i := 0; f != nil && i < len(f.Hosts); i++ {
		if strings.EqualFold(f.Hosts[i].Host, name) {
			return &f.Hosts[i]
		}
	}
	return nil
}

// mirrorsOf returns where else what lies at a URI is to be had. What a URI says of a user is not for mirrors.
func (a *Agent) mirrorsOf(uri *url.URL) []*url.URL {
	h := a.packageHost(uri.Hostname())
	if h == nil {
		return nil
	}
	list := make([]*url.URL, len(h.Mirrors))
	for i, base := range h.Mirrors {
		list[i] = base.JoinPath(uri.EscapedPath())
		list[i].RawQuery = uri.RawQuery
	}
	return list
}

// packageCredentials returns what is shown to the host of a URI by coaps or coaps+tcp: what is
// configured for it, else what the account has whose server has that scheme and host. done
// overwrites the key, as far as it is a copy.
func (a *Agent) packageCredentials(uri *url.URL) (c client.Credentials, done func(), err error) {
	refused := func(format string, args ...any) (client.Credentials, func(), error) {
		return client.Credentials{}, func() {}, fmt.Errorf("%w: "+format, append([]any{fota.ErrRefused}, args...)...)
	}
	h := a.packageHost(uri.Hostname())
	switch {
	case h == nil:
	case h.Security == config.SecurityPSK && uri.Scheme == "coaps":
		secret := a.hostSecret(h)
		return client.Credentials{
			Mode: client.SecurityPSK, Identity: []byte(h.Identity), SecretKey: secret, Usage: dtls.UnstatedUsage,
		}, func() { clear(secret) }, nil
	case h.Security == config.SecurityX509:
		if list, err := x509.ParseCertificates(h.Authorities); err != nil || len(list) != 1 {
			return refused("%s for %s takes one certificate in ca_file of [[firmware.host]], which has %d", uri.Scheme, uri.Hostname(), len(list))
		}
		secret := a.hostSecret(h)
		return client.Credentials{
			Mode: client.SecurityX509, Identity: h.Public, ServerKey: h.Authorities, SecretKey: secret, Usage: dtls.TrustAnchor,
		}, func() { clear(secret) }, nil
	}
	c, ok := a.client.CredentialsFor(uri.Scheme, uri.Hostname())
	if !ok {
		return refused("there are no credentials for %s://%s: no [[firmware.host]] has any for it, and no server account has that scheme and host", uri.Scheme, uri.Host)
	}
	return c, func() {}, nil
}

// hostSecret returns a copy of the key for a host, or a reference to where it is held.
func (a *Agent) hostSecret(h *config.PackageHost) []byte {
	if h.Held.Kind != "" {
		return a.references.Make(h.Held)
	}
	return h.Key.Reveal()
}

// httpsHosts returns the hosts that https shows something to, or trusts by something of its own.
func (a *Agent) httpsHosts(cfg *config.Firmware) (map[string]httpfetch.Host, error) {
	hosts := make(map[string]httpfetch.Host)
	for i := range cfg.Hosts {
		h := &cfg.Hosts[i]
		var own httpfetch.Host
		if h.Authorities != nil {
			list, err := x509.ParseCertificates(h.Authorities)
			if err != nil {
				return nil, fmt.Errorf("ca_file of %s: %w", h.Host, err)
			}
			own.Roots = x509.NewCertPool()
			for _, c := range list {
				own.Roots.AddCert(c)
			}
		}
		if h.Security == config.SecurityX509 {
			own.Certificate = func() (*tls.Certificate, error) { return a.hostCertificate(h) }
		}
		hosts[h.Host] = own
	}
	return hosts, nil
}

// hostCertificate returns what is shown to a host by https, with the key from where it is held.
func (a *Agent) hostCertificate(h *config.PackageHost) (*tls.Certificate, error) {
	secret := a.hostSecret(h)
	defer clear(secret)
	key, err := a.hostKey(secret)
	if err != nil {
		return nil, fmt.Errorf("private key for %s: %w", h.Host, err)
	}
	list, err := x509.ParseCertificates(h.Public)
	if err != nil {
		return nil, fmt.Errorf("certificate for %s: %w", h.Host, err)
	}
	shown := &tls.Certificate{PrivateKey: key}
	for _, c := range list {
		shown.Certificate = append(shown.Certificate, c.Raw)
	}
	return shown, nil
}

func (a *Agent) hostKey(secret []byte) (crypto.Signer, error) {
	if key, err := a.privateKey(secret); key != nil || err != nil {
		return key, err
	}
	return keys.ParsePrivateKey(secret)
}
