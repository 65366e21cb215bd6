package dtls

import (
	"fmt"
	"log/slog"
)

// Config, Session and Conn print and log without their secrets, whatever the verb.
// That holds for a value that fmt or slog can call methods on; the fields of an
// unexported field it prints as they are.
var (
	_ fmt.Formatter  = Config{}
	_ fmt.Formatter  = Session{}
	_ fmt.Formatter  = (*Conn)(nil)
	_ slog.LogValuer = Config{}
	_ slog.LogValuer = Session{}
	_ slog.LogValuer = (*Conn)(nil)
)

// LogValue returns what is not secret.
func (cfg Config) LogValue() slog.Value {
	attrs := []slog.Attr{slog.Any("suites", cfg.Suites), slog.Int("cid_length", cfg.CIDLength)}
	switch {
	case cfg.PSK != nil || cfg.Identity != nil:
		attrs = append(attrs, slog.String("identity", fmt.Sprintf("%q", cfg.Identity)))
	case cfg.Trust != nil:
		attrs = append(attrs, slog.Any("usage", cfg.Trust.Usage), slog.String("name", cfg.Trust.Name))
	default:
		attrs = append(attrs, slog.String("peer_key", fmt.Sprintf("%x", cfg.PeerKey)))
	}
	if cfg.Resume != nil {
		attrs = append(attrs, slog.Any("resume", *cfg.Resume))
	}
	return slog.GroupValue(attrs...)
}

// Format prints what is not secret.
func (cfg Config) Format(f fmt.State, _ rune) { format(f, "dtls.Config", cfg) }

// LogValue returns what is not secret.
func (s Session) LogValue() slog.Value {
	return slog.GroupValue(
		slog.String("suite", s.Suite.String()),
		slog.Bool("extended_master_secret", s.ExtendedMasterSecret),
		slog.String("id", fmt.Sprintf("%x", s.ID)),
		slog.String("local_cid", fmt.Sprintf("%x", s.LocalCID)),
		slog.String("remote_cid", fmt.Sprintf("%x", s.RemoteCID)),
		slog.Uint64("next_send", s.NextSend),
		slog.Uint64("next_receive", s.NextReceive),
		slog.Bool("ended", s.Ended),
	)
}

// Format prints what is not secret.
func (s Session) Format(f fmt.State, _ rune) { format(f, "dtls.Session", s) }

// LogValue returns what was negotiated and the server's address.
func (c *Conn) LogValue() slog.Value {
	p := c.Parameters()
	return slog.GroupValue(
		slog.Any("server", c.RemoteAddr()),
		slog.String("suite", p.Suite.String()),
		slog.Bool("resumed", p.Resumed),
		slog.Bool("restored", p.Restored),
		slog.Bool("extended_master_secret", p.ExtendedMasterSecret),
		slog.String("local_cid", fmt.Sprintf("%x", p.LocalCID)),
		slog.String("remote_cid", fmt.Sprintf("%x", p.RemoteCID)),
	)
}

// Format prints what was negotiated and the server's address.
func (c *Conn) Format(f fmt.State, _ rune) { format(f, "dtls.Conn", c) }

// format prints the attributes that v logs.
func format(f fmt.State, name string, v slog.LogValuer) {
	_, _ = fmt.Fprintf(f, "%s%v", name, v.LogValue().Resolve()) // there is nobody to tell
}
