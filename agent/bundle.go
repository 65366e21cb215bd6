package agent

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"time"

	"lwm2m-agent/agent/control"
	"lwm2m-agent/host"
)

// BundleOptions say what a support archive is made of.
type BundleOptions struct {
	Config, StateDir, Socket string // as of RunOptions; the socket of the agent that is asked
	Version                  any    // of this program, for JSON
	Now                      func() time.Time
}

// bundled are the answers of the control interface that are taken, by file. None has a secret in it.
var bundled = []struct{ file, route string }{
	{"status.json", "/v1/status"},
	{"health.json", "/v1/health"},
	{"config.json", "/v1/config"},
	{"tree.json", "/v1/tree"},
	{"firmware.json", "/v1/firmware"},
	{"apps.json", "/v1/apps"},
}

// machineFiles are files of the operating system that say how the machine is.
var machineFiles = []string{
	"proc/version", "proc/uptime", "proc/loadavg", "proc/meminfo", "proc/net/route", "proc/net/if_inet6", "etc/os-release",
}

// Bundle writes a support archive (tar, compressed by gzip): what the agent says of itself, its last log lines, what
// is wrong with its configuration, and how the machine is. Keys are in none of that. What cannot be
// had is in the archive as the reason.
func Bundle(ctx context.Context, w io.Writer, o BundleOptions) error {
	z := gzip.NewWriter(w)
	b := bundle{tar: tar.NewWriter(z), at: o.Now()}
	version, err := json.Marshal(o.Version)
	b.add("version.json", version, err)
	agent := control.NewClient(o.Socket)
	for _, part := range bundled {
		text, err := agent.Raw(ctx, part.route)
		b.add(part.file, text, err)
	}
	log, err := agent.Raw(ctx, "/v1/value?path=/20/0/4014")
	if err == nil {
		log, err = logOf(log)
	}
	b.add("log.txt", log, err)
	_, err = Load(o.Config, o.StateDir, o.Socket)
	b.add("configuration.txt", []byte("the files are valid\n"), err)
	for _, name := range machineFiles {
		text, err := fs.ReadFile(host.Root(), name)
		b.add(path.Join("machine", path.Base(name)), text, err)
	}
	if b.err != nil {
		return b.err // closing says the same
	}
	return errors.Join(b.tar.Close(), z.Close())
}

// logOf returns the lines in the answer for the data of a log.
func logOf(answer []byte) ([]byte, error) {
	var values []struct {
		Value string `json:"value"`
	}
	if err := json.Unmarshal(answer, &values); err != nil {
		return nil, err
	}
	var log bytes.Buffer
	for _, v := range values {
		text, err := base64.StdEncoding.DecodeString(v.Value)
		if err != nil {
			return nil, err
		}
		log.Write(text)
	}
	return log.Bytes(), nil
}

// bundle is an archive that is being written.
type bundle struct {
	tar *tar.Writer
	at  time.Time
	err error
}

// add adds a file, or why it is not there.
func (b *bundle) add(name string, content []byte, err error) {
	if err != nil {
		name, content = name+".missing.txt", []byte(err.Error()+"\n")
	}
	if b.err != nil {
		return
	}
	header := &tar.Header{Name: "lwm2m-agent/" + name, Mode: 0o600, Size: int64(len(content)), ModTime: b.at}
	if b.err = b.tar.WriteHeader(header); b.err == nil {
		_, b.err = b.tar.Write(content)
	}
	if b.err != nil {
		b.err = fmt.Errorf("write %s: %w", name, b.err)
	}
}
