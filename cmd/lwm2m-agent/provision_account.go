package main

import (
	"fmt"
	"path/filepath"

	"lwm2m-agent/agent/provision"
)

// provisionInput does what JSON on standard input wants: all accounts of a device.
func provisionInput(c *call, f *provisionFlags, maker *provision.Maker) error {
	in, err := provision.ReadInput(c.stdin)
	if err != nil {
		return err
	}
	return provisionAll(c, f, in, maker.Apply)
}

// provisionAccount takes over an account from a file, standard input, or the text of a QR code.
func provisionAccount(c *call, f *provisionFlags, maker *provision.Maker, from string) error {
	content := []byte(from)
	if !provision.IsText(from) {
		var err error
		if content, err = contentOf(c, from); err != nil {
			return err
		}
		defer clear(content)
	}
	in, err := provision.ReadAccount(content)
	if err != nil {
		return fmt.Errorf("%s: %w", placeOf(from), err)
	}
	if provision.IsText(from) && in.Secret() {
		return usageError("the text has a key, and every user of this machine sees the arguments of a program; give it on standard input: lwm2m-agent provision account -")
	}
	return provisionAll(c, f, in, maker.Add)
}

// placeOf names where an account was read from, for an error.
func placeOf(from string) string {
	switch {
	case provision.IsText(from):
		return "the text"
	case from == "-":
		return "standard input"
	}
	return from
}

// provisionAll does what an Input wants, and prints what came of it.
func provisionAll(c *call, f *provisionFlags, in *provision.Input, do func(*provision.Input, string) (*provision.Output, error)) error {
	in.Force = in.Force || *f.force
	in.Label = in.Label || *f.label || *f.qr
	folder, err := filepath.Abs(filepath.Join(filepath.Dir(*f.config), "agent.d"))
	if err != nil {
		return err
	}
	out, err := do(in, folder)
	if err != nil {
		return err
	}
	switch {
	case *f.qr:
		for _, a := range out.Label.Accounts {
			fmt.Fprintln(c.stdout, a.Text)
		}
	case *f.json || in.Label:
		return c.printJSON(out)
	case out.Changed:
		fmt.Fprintf(c.stdout, "wrote %s\nAn agent that runs takes it up with: systemctl reload lwm2m-agent\n", out.File)
	default:
		fmt.Fprintf(c.stdout, "nothing to do: %s has it all\n", out.File)
	}
	return nil
}
