package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"

	"lwm2m-agent/agent"
	"lwm2m-agent/agent/config"
	"lwm2m-agent/agent/keys"
	"lwm2m-agent/agent/provision"
)

// provisionFlags are the flags of the command provision.
type provisionFlags struct {
	json, seal, reveal, force, label, qr               *bool
	config, dir, name, device                          *string
	keyFile, certificate, endpoint, identity, uri, tpm *string
	bytes, shortServerID                               *int
}

func newProvisionFlags(c *call) *provisionFlags {
	f := c.flags
	p := &provisionFlags{
		json:          f.Bool("json", false, "print JSON; without a subcommand: read JSON from standard input"),
		config:        f.String("config", config.DefaultFile, "main configuration `file`, beside which keys and agent.d lie"),
		dir:           f.String("dir", "", "`folder` of the keys instead of the default, keys beside the configuration"),
		name:          f.String("name", "device", "`name` of the files"),
		force:         f.Bool("replace", false, "replace what is there"),
		label:         f.Bool("label", false, "JSON, account: print what goes on a label, with the pre-shared keys"),
		qr:            f.Bool("qr", false, "JSON, account: print the texts of QR codes, with the pre-shared keys, and nothing else"),
		keyFile:       f.String("key-file", "", "import the key from a `file`, - for standard input, instead of making one"),
		certificate:   f.String("certificate", "", "x509: import the certificate from a `file` for the key that is there"),
		endpoint:      f.String("endpoint", "", "x509: endpoint `name`, for the request; that of the machine if not given"),
		identity:      f.String("identity", "", "psk: `identity` of the key"),
		bytes:         f.Int("bytes", 0, "psk: `size` of a new key (default 16)"),
		seal:          f.Bool("seal", false, "psk: seal the key to the TPM"),
		reveal:        f.Bool("reveal", false, "psk: print the key, for the server"),
		tpm:           f.String("tpm", "", "rpk, x509: the key is in the TPM, at a persistent `handle` such as 0x81000001"),
		device:        f.String("tpm-device", keys.DefaultDevice, "`device` of the TPM"),
		uri:           f.String("uri", "", "`address` of the server, for the configuration lines"),
		shortServerID: f.Int("short-server-id", 101, "Short Server `ID`, for the configuration lines"),
	}
	f.BoolVar(p.force, "force", false, "another name of -replace")
	return p
}

// provisionTakes are the flags of each subcommand, besides those of all.
var provisionTakes = map[string][]string{
	"psk":     {"name", "replace", "force", "key-file", "identity", "bytes", "seal", "reveal", "uri", "short-server-id"},
	"rpk":     {"name", "replace", "force", "key-file", "tpm", "uri", "short-server-id"},
	"x509":    {"name", "replace", "force", "key-file", "tpm", "certificate", "endpoint", "uri", "short-server-id"},
	"list":    {},
	"account": {"replace", "force", "label", "qr"},
	"":        {"replace", "force", "label", "qr"},
}

func runProvision(_ context.Context, c *call) error {
	f := newProvisionFlags(c)
	if err := c.parse(0, 2); err != nil {
		return err
	}
	what := ""
	if len(c.args) > 0 {
		what = c.args[0]
	}
	takes, ok := provisionTakes[what]
	switch {
	case !ok:
		return usageError("there is no subcommand %q; allowed: psk, rpk, x509, list, account", what)
	case what == "" && !*f.json:
		return usageError("needs psk, rpk, x509, list or account; or -json, and JSON on standard input")
	case what == "account" && len(c.args) < 2:
		return usageError("account needs a file, - for standard input, or the text of a QR code")
	case what != "account" && len(c.args) > 1:
		return usageError("unexpected argument %q", c.args[1])
	}
	var strange error
	c.flags.Visit(func(given *flag.Flag) {
		if !slices.Contains(append(takes, "json", "config", "dir", "tpm-device"), given.Name) {
			strange = usageError("%s does not take -%s", first(what, "JSON on standard input"), given.Name)
		}
	})
	if strange != nil {
		return strange
	}
	if err := agent.KeepMemory(); err != nil {
		return err
	}
	if *f.dir == "" {
		*f.dir = filepath.Join(filepath.Dir(*f.config), "keys")
	}
	dir, err := filepath.Abs(*f.dir)
	if err != nil {
		return err
	}
	maker := &provision.Maker{Dir: dir, Holder: keys.Holder{Device: *f.device}, Names: agent.Names()}
	switch what {
	case "":
		err = provisionInput(c, f, maker)
	case "account":
		err = provisionAccount(c, f, maker, c.args[1])
	case "list":
		err = provisionList(c, f, maker)
	default:
		err = provisionOne(c, f, maker, what)
	}
	if errors.Is(err, provision.ErrOrder) {
		return fmt.Errorf("%w: %w", errUsage, err)
	}
	return err
}

func first(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

func provisionList(c *call, f *provisionFlags, maker *provision.Maker) error {
	list, err := provision.List(maker.Dir, &maker.Holder)
	if err != nil {
		return err
	}
	if *f.json {
		return c.printJSON(append([]provision.Entry{}, list...))
	}
	var t table
	for _, e := range list {
		t.row(safe(e.Place), e.What, e.Fingerprint, e.Detail)
		if e.Problem != "" {
			t.row("    what is wrong: " + e.Problem)
		}
	}
	t.print(c.stdout)
	if len(list) == 0 {
		fmt.Fprintf(c.stdout, "there are no keys in %s\n", maker.Dir)
	}
	return nil
}

// provisionOne makes or imports one key.
func provisionOne(c *call, f *provisionFlags, maker *provision.Maker, kind string) error {
	o := &provision.Order{
		Kind: provision.Kind(kind), Name: *f.name, Endpoint: *f.endpoint, Identity: *f.identity,
		Size: *f.bytes, Seal: *f.seal, Reveal: *f.reveal, Force: *f.force,
	}
	if kind == "x509" && o.Endpoint == "" && *f.certificate == "" {
		o.Endpoint = maker.Names["endpoint"]
	}
	var err error
	if o.Endpoint, err = maker.Expand(o.Endpoint); err != nil {
		return err
	}
	if *f.tpm != "" {
		handle, err := strconv.ParseUint(*f.tpm, 0, 32)
		if err != nil || handle == 0 {
			return usageError("-tpm %q is no handle, such as 0x81000001", *f.tpm)
		}
		o.Handle = uint32(handle)
	}
	if err := o.Validate(); err != nil && *f.keyFile == "" && *f.certificate == "" {
		return err // before anything is read
	}
	if o.Secret, err = contentOf(c, *f.keyFile); err != nil {
		return err
	}
	defer clear(o.Secret)
	if o.Certificate, err = contentOf(c, *f.certificate); err != nil {
		return err
	}
	made, err := maker.Make(o)
	if err != nil {
		return errors.Join(err, maker.TakeBack())
	}
	if *f.json {
		return c.printJSON(made)
	}
	a := provision.Account{ShortServerID: *f.shortServerID, URI: *f.uri}
	printCredential(c.stdout, made, a.Lines(made))
	return nil
}

// maxContent bounds what is imported, in bytes.
const maxContent = 64 << 10

// contentOf reads a file, or standard input for "-"; nil for "".
func contentOf(c *call, name string) ([]byte, error) {
	r := c.stdin
	switch name {
	case "":
		return nil, nil
	case "-":
	default:
		file, err := os.Open(name) //nolint:gosec // the operator names it
		if err != nil {
			return nil, err
		}
		defer file.Close() //nolint:errcheck // only read
		r = file
	}
	b := make([]byte, maxContent+1) // at once: it may be a key, and what grows leaves copies behind
	n, err := io.ReadFull(r, b)
	switch {
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return b[:n], nil
	case err == nil:
		err = fmt.Errorf("%s is too long for a key or certificate", name)
	}
	clear(b)
	return nil, err
}

func printCredential(w io.Writer, made *provision.Credential, lines string) {
	for _, name := range made.Files {
		fmt.Fprintf(w, "# wrote %s\n", name)
	}
	fmt.Fprintf(w, "# fingerprint %s\n", made.Fingerprint)
	if made.Secret != "" {
		fmt.Fprintf(w, "# key %s\n", made.Secret)
	}
	if made.PublicKey != "" {
		fmt.Fprintf(w, "# public key %s\n", made.PublicKey)
	}
	fmt.Fprint(w, first(made.Request, made.PublicPEM))
	fmt.Fprintf(w, "# for agent.toml:\n%s", lines)
}
