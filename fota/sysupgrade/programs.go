package sysupgrade

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"lwm2m-agent/fota"
)

const (
	sysupgrade = "sysupgrade"
	fwtool     = "fwtool"
	ucert      = "ucert"
)

// required has sysupgrade's checks refuse what is not signed, or says of no board
// (base-files, lib/upgrade/fwtool.sh).
var required = []string{"REQUIRE_IMAGE_SIGNATURE=1", "REQUIRE_IMAGE_METADATA=1"}

// testTime bounds what only looks at an image.
const testTime = 5 * time.Minute

// test has sysupgrade look at an image, and makes a Failure of what it says.
func (b *Backend) test(ctx context.Context, file string) error {
	if _, err := os.Stat(file); err != nil {
		return fota.Failf(fota.UpdateFailed, "the image is gone: %v", err)
	}
	ctx, cancel := context.WithTimeout(ctx, testTime)
	defer cancel()
	cmd := exec.CommandContext(ctx, sysupgrade, "--test", file)
	cmd.Env, cmd.WaitDelay = append(fota.Environ(), required...), time.Second
	out, err := cmd.CombinedOutput()
	if err == nil {
		return nil
	}
	return fota.Failf(resultOf(err, verdict(string(out))), "%s --test: %v: %s", sysupgrade, err, brief(out))
}

// resultOf returns what a program has found, unless it was not there or was ended: then it has said nothing about the image.
func resultOf(err error, found fota.Result) fota.Result {
	if end, ran := errors.AsType[*exec.ExitError](err); ran && end.Exited() {
		return found
	}
	return fota.UpdateFailed
}

// signs are words of sysupgrade, fwtool.sh and platforms, and what they mean for the
// server.
var signs = []struct {
	words  string
	result fota.Result
}{
	{"signature", fota.IntegrityFailure},
	{"not supported by this image", fota.UnsupportedPackage},
	{"incompatible", fota.UnsupportedPackage},
	{"metadata not present", fota.UnsupportedPackage},
	{"invalid image type", fota.UnsupportedPackage},
	{"not implemented for this platform", fota.UnsupportedPackage},
	{"too big", fota.NoStorage},
	{"too large", fota.NoStorage},
	{"not enough", fota.NoStorage},
}

func verdict(said string) fota.Result {
	said = strings.ToLower(said)
	for _, s := range signs {
		if strings.Contains(said, s.words) {
			return s.result
		}
	}
	return fota.IntegrityFailure
}

// maxWords bounds what is kept of a program's words, in bytes.
const maxWords = 300

// brief is the end of what a program has said, in one line.
func brief(out []byte) string {
	text := strings.Join(strings.Fields(strings.ToValidUTF8(string(out), "?")), " ")
	return text[max(0, len(text)-maxWords):]
}

// maxMetadata bounds the metadata of an image, in bytes.
const maxMetadata = 256 << 10

// describe reads the metadata that an image has at its end (OpenWrt,
// include/image-commands.mk, append-metadata).
func (b *Backend) describe(ctx context.Context, file string) (fota.Package, error) {
	ctx, cancel := context.WithTimeout(ctx, testTime)
	defer cancel()
	to := filepath.Join(filepath.Dir(file), "metadata")
	defer os.Remove(to) //nolint:errcheck // of no use any more
	cmd := exec.CommandContext(ctx, fwtool, "-q", "-i", to, file)
	cmd.Env = fota.Environ()
	out, err := cmd.CombinedOutput()
	if err != nil {
		return fota.Package{}, fota.Failf(resultOf(err, fota.UnsupportedPackage), "%s: %v: %s", fwtool, err, brief(out))
	}
	f, err := os.Open(to)
	if err != nil {
		return fota.Package{}, fota.Failf(fota.UpdateFailed, "%v", err)
	}
	defer f.Close() //nolint:errcheck // only read
	var m struct {
		Version struct{ Dist, Version, Revision, Board string }
	}
	if err := json.NewDecoder(io.LimitReader(f, maxMetadata)).Decode(&m); err != nil {
		return fota.Package{}, fota.Failf(fota.UnsupportedPackage, "the image's metadata: %v", err)
	}
	name := strings.TrimSpace(m.Version.Dist + " " + m.Version.Board)
	return fota.Package{Name: name, Version: strings.TrimSpace(m.Version.Version + " " + m.Version.Revision)}, nil
}

// release reads version and revision of the running system, as describe gives them;
// "" if it does not say.
func release(file string) string {
	f, err := os.Open(file)
	if err != nil {
		return ""
	}
	defer f.Close() //nolint:errcheck // only read
	said := make(map[string]string)
	for lines := bufio.NewScanner(io.LimitReader(f, maxMetadata)); lines.Scan(); {
		key, value, _ := strings.Cut(lines.Text(), "=")
		said[key] = strings.Trim(value, `'"`)
	}
	return strings.TrimSpace(said["DISTRIB_RELEASE"] + " " + said["DISTRIB_REVISION"])
}

// replace has sysupgrade write an image. It asks the init process to do it, which
// ends the connection to it, every program, this one too, and reboots. So the
// program is a session of its own and writes to a file, and the lock that it holds
// keeps an agent that was merely restarted from a second one.
func (b *Backend) replace(ctx context.Context, file string) error {
	if _, err := os.Stat(file); err != nil {
		return fota.Failf(fota.UpdateFailed, "the image is gone, it does not outlive a reboot: %v", err)
	}
	log, err := os.OpenFile(file+".log", os.O_RDWR|os.O_CREATE|unix.O_NOFOLLOW, 0o600)
	if err != nil {
		return err
	}
	defer log.Close() //nolint:errcheck // for people only
	over := time.NewTimer(b.opts.Ending)
	defer over.Stop()
	done := make(chan error, 1)
	switch err := unix.Flock(int(log.Fd()), unix.LOCK_EX|unix.LOCK_NB); {
	case errors.Is(err, unix.EWOULDBLOCK): // one is at it
	case err != nil:
		return err
	default:
		cmd := exec.Command(sysupgrade, file) //nolint:noctx // nothing ends it
		cmd.Stdout, cmd.Stderr, cmd.Env = log, log, append(fota.Environ(), required...)
		cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
		if err := errors.Join(log.Truncate(0), cmd.Start()); err != nil {
			return fota.Failf(fota.UpdateFailed, "%s: %v", sysupgrade, err)
		}
		go func() { done <- cmd.Wait() }()
	}
	for {
		select {
		case err := <-done:
			if said := tail(file + ".log"); err != nil && !strings.Contains(strings.ToLower(said), "connection failed") {
				return fota.Failf(fota.UpdateFailed, "%s: %v: %s", sysupgrade, err, said)
			}
		case <-over.C:
			return fota.Failf(fota.UpdateFailed, "%s has not ended the running system in %s: %s", sysupgrade, b.opts.Ending, tail(file+".log"))
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// tail is the end of a log.
func tail(file string) string {
	text, err := os.ReadFile(file)
	if err != nil {
		return err.Error()
	}
	return brief(text)
}

// Probe looks whether the programs are there, and changes nothing. The text is for
// people; an error says what to do.
func (b *Backend) Probe(context.Context) (string, error) {
	for _, program := range []string{sysupgrade, fwtool, ucert} {
		if _, err := exec.LookPath(program); err != nil {
			return "", fmt.Errorf("%w; sysupgrade verifies images with it: the image of this system must contain it", err)
		}
	}
	version := release(b.opts.Release)
	if version == "" {
		return "", fmt.Errorf("%s does not say what runs: a new system could not be told from the old one", b.opts.Release)
	}
	return "one slot and no way back; version " + version + " runs", nil
}
