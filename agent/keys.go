package agent

import (
	"crypto"
	"fmt"
	"io"

	"lwm2m-agent/agent/config"
	"lwm2m-agent/agent/health"
	"lwm2m-agent/agent/keys"
	"lwm2m-agent/host"
	"lwm2m-agent/lwm2m/client"
	"lwm2m-agent/lwm2m/dtls"
)

// dialer makes sessions with keys from where they are held, and judges certificates by
// the last time known to be right.
func (a *Agent) dialer() dialer {
	base := client.DefaultDialer{DialUDP: a.opts.DialUDP, DTLS: dtls.Config{Now: a.clock.Now}, Key: a.privateKey, PSK: a.preSharedKey, Bind: host.BindTo}
	return dialer{base, a.modems}
}

func (a *Agent) holder() *keys.Holder { return &keys.Holder{Device: a.config.Load().TPM.Device} }

// privateKey is client.DefaultDialer.Key.
func (a *Agent) privateKey(secret []byte) (crypto.Signer, error) {
	place, held := a.references.Find(secret)
	if !held {
		return nil, nil
	}
	key, err := a.holder().Signer(place)
	if err := a.used(place, err); err != nil {
		return nil, err
	}
	return heldKey{key, a, place}, nil
}

// preSharedKey is client.DefaultDialer.PSK.
func (a *Agent) preSharedKey(secret []byte) ([]byte, error) {
	place, held := a.references.Find(secret)
	if !held {
		return nil, nil
	}
	psk, err := a.holder().PSK(place)
	return psk, a.used(place, err)
}

// used shows whether a held key could be used.
func (a *Agent) used(place keys.Place, err error) error {
	if err == nil {
		a.health.Clear(health.KeyUnavailable, place.String())
		return nil
	}
	a.health.Set(health.KeyUnavailable, place.String(), err.Error())
	return fmt.Errorf("%w: %w", client.ErrKey, err)
}

// heldKey is a private key that tells when it does not sign.
type heldKey struct {
	crypto.Signer
	agent *Agent
	place keys.Place
}

// Sign implements crypto.Signer.
func (k heldKey) Sign(random io.Reader, digest []byte, opts crypto.SignerOpts) ([]byte, error) {
	signature, err := k.Signer.Sign(random, digest, opts)
	return signature, k.agent.used(k.place, err)
}

// forgetKeys takes back what was said about keys that the configuration does not name
// any more.
func (a *Agent) forgetKeys(cfg *config.Config) {
	named := make(map[string]bool)
	for i := range cfg.Servers {
		named[cfg.Servers[i].Held.String()] = true
	}
	if cfg.Bootstrap != nil {
		named[cfg.Bootstrap.Held.String()] = true
	}
	if f := a.opts.Config.Firmware; f != nil { // which is read at the start
		for i := range f.Hosts {
			named[f.Hosts[i].Held.String()] = true
		}
	}
	for _, t := range a.health.Troubles() {
		if t.Code == health.KeyUnavailable && !named[t.On] {
			a.health.Clear(t.Code, t.On)
		}
	}
}
