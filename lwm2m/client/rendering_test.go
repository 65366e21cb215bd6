package client

import (
	"fmt"
	"testing"
	"testing/synctest"

	"lwm2m-agent/lwm2m"
)

// TestEncodedOnce shows that two servers are told the same bytes of one change.
func TestEncodedOnce(t *testing.T) {
	simulate(t, nil, func(l *lab) {
		l.run()
		first := l.observe(temperature, senmlCBOR)
		l.account(1, 102, 86400)
		synctest.Wait()
		second := l.observe(temperature, senmlCBOR)
		key := rendering{lwm2m.MustPath(temperature), lwm2m.FormatSenMLCBOR}
		l.client.renderings.keep(key, []lwm2m.Node{{Path: key.path, Value: lwm2m.Float(21)}}, []byte("as it was encoded"))
		l.temperature(0, 21)
		synctest.Wait()
		for _, w := range []*watcher{first, second} {
			if got := w.payloads(); fmt.Sprintf("%s", got) != "[as it was encoded]" {
				t.Errorf("a server is told %q", got)
			}
		}
		l.temperature(0, 22)
		synctest.Wait()
		kept := l.client.renderings.find(key, []lwm2m.Node{{Path: key.path, Value: lwm2m.Float(22)}})
		for _, w := range []*watcher{first, second} {
			if got := w.payloads(); len(got) != 1 || got[0] != string(kept) {
				t.Errorf("a server is told %q, kept is %q", got, kept)
			}
		}
	})
}

func TestRenderings(t *testing.T) {
	var r renderings
	nodes := func(i int) []lwm2m.Node {
		return []lwm2m.Node{{Path: lwm2m.NewPath(3303, uint16(i), 5700), Value: lwm2m.Integer(int64(i))}}
	}
	for i := range 1000 {
		r.keep(rendering{path: nodes(i)[0].Path}, nodes(i), make([]byte, 1000))
		if r.size > maxRenderings || r.find(rendering{path: nodes(i)[0].Path}, nodes(i)) == nil {
			t.Fatalf("after %d there are %d bytes", i, r.size)
		}
	}
	last := rendering{path: nodes(999)[0].Path}
	r.keep(last, nodes(999), make([]byte, maxRenderings+1))
	if len(r.find(last, nodes(999))) != 1000 || r.find(last, nodes(1)) != nil || r.find(rendering{last.path, lwm2m.FormatTLV}, nodes(999)) != nil {
		t.Error("not what was kept")
	}
}
