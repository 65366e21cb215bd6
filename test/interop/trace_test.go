//go:build interop

package interop

import (
	"context"
	"encoding/json"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"lwm2m-agent/lwm2m"
	"lwm2m-agent/lwm2m/model"
	small "lwm2m-agent/lwm2m/server"
	"lwm2m-agent/objects/registry"
	"lwm2m-agent/test/gateway"
	"lwm2m-agent/test/leshan"
	"lwm2m-agent/test/process"
	"lwm2m-agent/test/workspace"
)

// TestCapture has tshark open what trace writes of what Leshan does over DTLS, and of a server over
// TCP: it reads CoAP and LwM2M, pairs requests with answers, and finds nothing wrong. A key that Leshan
// writes is in neither.
func TestCapture(t *testing.T) {
	t.Parallel()
	l := leshan.Start(t, leshan.Options{Models: leshan.Models(t, 1, 3, 3303, 3306, 12)})
	s := peer{l, "gw-trace", true}
	s.PSK(t, s.endpoint, identity, key)
	a := gateway.Start(t, board(s.endpoint)+"\n[device]\nmanufacturer = \"lwm2m-agent\"\n"+server(l.CoAPS, true, "")+"[[server]]\nuri = \"coap+tcp://"+overTCP(t)+"\"\nshort_server_id = 102\n")
	s.AwaitRegistered(t, s.endpoint, patience)
	a.AwaitStatus(t, "registered over TCP", func(s gateway.Status) bool { return len(s.Servers) == 2 && s.Servers[1].State == "registered" })
	must(t, "2.05", s.Observe(t, s.endpoint, "/3303/0/5700", lwm2m.FormatTLV)) // before anybody looks

	file := workspace.Artifact(t, "capture.pcapng")
	_ = os.Remove(file) // of an earlier run
	capture := a.Beside(t, "trace", "-pcapng", file)
	capture.WaitPrefix(t, patience, "listening")
	text := a.Beside(t, "trace") // what it hears the other one hears, too
	text.WaitPrefix(t, patience, "listening")
	text.WaitLine(t, patience, "a notification that was asked for before", func(line string) bool {
		return strings.Contains(line, "2.05 Content  Notify  /3303/0/5700  /temperature/0/sensor-value")
	})
	must(t, "2.05", s.Read(t, s.endpoint, "/3/0", lwm2m.FormatTLV))
	must(t, "2.05", s.Read(t, s.endpoint, "/3303/0/5701", lwm2m.FormatSenMLJSON))
	must(t, "2.05", s.Read(t, s.endpoint, "/3303/0/5701", lwm2m.FormatSenMLCBOR))
	if answer := s.Replace(t, s.endpoint, "/12/0/18", lwm2m.FormatTLV, leshan.Values{"": secretPhrase}); answer.Code == "2.04" {
		t.Errorf("the write of a key to no WLAN: %+v", answer)
	}
	a.Must(t, "update", "102")
	text.WaitLine(t, patience, "the answer to the Update over TCP", func(line string) bool {
		return strings.Contains(line, "<- 102  2.04 Changed  Update")
	})
	must(t, "2.05", s.Read(t, s.endpoint, "/3303/0/5601", lwm2m.FormatText)) // the last one
	awaitCaptured(t, file, "server 101: Read /temperature/0/min-measured-value", 2)
	for _, p := range []*process.Process{capture, text} {
		p.Signal(t, syscall.SIGINT)
		if status := p.Wait(t, patience); status != 0 {
			t.Errorf("trace ended with %d", status)
		}
		if printed := strings.Join(p.Output(), "\n"); strings.Contains(printed, secretPhrase) || !strings.Contains(printed, "messages, 0 lost") {
			t.Errorf("trace printed:\n%s", printed)
		}
	}
	if content, err := os.ReadFile(file); err != nil || strings.Contains(string(content), secretPhrase) {
		t.Errorf("the capture has the key, or %v", err)
	}
	checkCapture(t, file)
}

// awaitCaptured waits until something is in the file as often as it should be.
func awaitCaptured(t *testing.T, file, what string, times int) {
	t.Helper()
	for end := time.Now().Add(patience); time.Now().Before(end); {
		if content, err := os.ReadFile(file); err == nil && strings.Count(string(content), what) >= times {
			return
		}
		select {
		case <-time.After(50 * time.Millisecond):
		case <-t.Context().Done():
		}
	}
	t.Fatalf("the capture has not %d times %q within %v", times, what, patience)
}

// secretPhrase is a key that Leshan writes, to /12/x/18.
const secretPhrase = "a phrase that nobody may see"

// overTCP runs a server over TCP until the test ends.
func overTCP(t *testing.T) (address string) {
	t.Helper()
	srv := small.New(small.Config{Shapes: model.Shapes(registry.Definitions())})
	ln, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	var serving sync.WaitGroup
	serving.Go(func() {
		if err := srv.ServeStream(ctx, ln); err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(func() { cancel(); serving.Wait(); srv.Wait() })
	return ln.Addr().String()
}

// dissected is a packet as tshark says it: values by field.
type dissected map[string][]string

// is reports whether the fields have these values among others.
func (d dissected) is(want map[string]string) bool {
	for field, value := range want {
		if !slices.Contains(d[field], value) {
			return false
		}
	}
	return true
}

// captureFields are what tshark is asked for.
var captureFields = []string{
	"_ws.expert.message", "_ws.malformed", "frame.comment", "frame.protocols", "frame.packet_flags_direction", "udp.checksum.status", "tcp.checksum.status", "tcp.analysis.flags",
	"coap.code", "coap.type", "coap.mid", "coap.opt.uri_path_recon", "coap.opt.ctype", "coap.opt.observe", "coap.response_to",
	"lwm2mtlv.resource_name", "lwm2mtlv.resource.manufacturer", "lwm2mtlv.identifier", "json.key", "json.value.string", "cbor.type.textstring",
}

func dissect(t *testing.T, file string) []dissected {
	t.Helper()
	args := make([]string, 0, 16+2*len(captureFields))
	args = append(args, "-n", "-r", file, "-T", "json", "-o", "udp.check_checksum:TRUE", "-o", "tcp.check_checksum:TRUE")
	for _, f := range captureFields {
		args = append(args, "-e", f)
	}
	cmd := exec.CommandContext(t.Context(), "tshark", args...)
	var problems strings.Builder
	cmd.Stderr = &problems
	cmd.Env = append(os.Environ(), "HOME="+filepath.Join(t.TempDir(), "none")) // not what the person at this machine has set
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("tshark: %v: %s", err, problems.String())
	}
	var packets []struct {
		Source struct{ Layers dissected } `json:"_source"`
	}
	if err := json.Unmarshal(out, &packets); err != nil {
		t.Fatalf("tshark: %v in %s", err, out)
	}
	found := make([]dissected, len(packets))
	for i := range packets {
		found[i] = packets[i].Source.Layers
	}
	return found
}

// checkCapture holds what tshark finds in the capture against what was done.
func checkCapture(t *testing.T, file string) {
	t.Helper()
	packets := dissect(t, file)
	for i, p := range packets {
		checksum := p["udp.checksum.status"]
		if strings.Contains(p["frame.protocols"][0], "tcp") {
			checksum = p["tcp.checksum.status"]
		}
		comments := p["frame.comment"]
		if len(p["coap.code"]) != 1 || !slices.Equal(checksum, []string{"1"}) || len(p["_ws.malformed"])+len(p["tcp.analysis.flags"]) > 0 ||
			!slices.Equal(p["_ws.expert.message"], comments) { // a comment counts as one
			t.Errorf("packet %d: %v", i+1, p)
		}
	}
	const content, manufacturer = "69", "lwm2m-agent" // 2.05
	for _, want := range []map[string]string{
		{"frame.protocols": "raw:ip:udp:coap:lwm2mtlv", "coap.code": content, "coap.type": "1", "lwm2mtlv.identifier": "5700", "frame.packet_flags_direction": "0x00000002"},
		{"frame.protocols": "raw:ip:udp:coap", "coap.code": "1", "coap.opt.uri_path_recon": "/3/0", "frame.packet_flags_direction": "0x00000001"},
		{"coap.code": content, "coap.opt.uri_path_recon": "/3/0", "lwm2mtlv.resource.manufacturer": manufacturer, "lwm2mtlv.resource_name": "Manufacturer"},
		{"coap.code": content, "coap.opt.ctype": "application/senml+json", "json.key": "bn", "json.value.string": "/3303/0/5701"},
		{"coap.code": content, "coap.opt.ctype": "application/senml+cbor", "cbor.type.textstring": "/3303/0/5701"},
		{"frame.comment": "server 101: Write /wlan-connectivity/0/wpa-key-phrase; what nobody may read is replaced", "lwm2mtlv.identifier": "18"},
		{"frame.protocols": "raw:ip:tcp:coap", "coap.code": "2", "frame.comment": "server 102: Update"},
		{"frame.protocols": "raw:ip:tcp:coap", "coap.code": "68", "frame.comment": "server 102: Update"},
	} {
		i := slices.IndexFunc(packets, func(p dissected) bool { return p.is(want) })
		if i < 0 {
			t.Errorf("there is no %v among %v", want, packets)
			continue
		}
		if code := want["coap.code"]; (code == content || code == "68") && want["coap.type"] == "" && len(packets[i]["coap.response_to"]) != 1 {
			t.Errorf("%v is an answer to nothing", packets[i])
		}
	}
}
