//go:build interop

package interop

import (
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"testing"

	"lwm2m-agent/lwm2m"
	"lwm2m-agent/test/gateway"
	"lwm2m-agent/test/leshan"
	"lwm2m-agent/test/workspace"
)

// ownDescriptions are the files of the private range as the packages bring them.
func ownDescriptions(t *testing.T) [][]byte {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(workspace.Root(t), "objects/registry/xml/26*.xml"))
	if err != nil || len(files) == 0 {
		t.Fatal("no definitions: ", err)
	}
	descriptions := make([][]byte, len(files))
	for i, f := range files {
		if descriptions[i], err = os.ReadFile(f); err != nil {
			t.Fatal(err)
		}
	}
	return descriptions
}

// TestGatewayHealth has Leshan, which knows our objects by the files that are shipped, ask a gateway on which nothing is wrong, so that the
// resources of object 26244 are there without instances, and one with a sensor that fails. (A state directory on a RAM disk is a trouble, too.)
func TestGatewayHealth(t *testing.T) {
	t.Parallel()
	l := leshan.Start(t, leshan.Options{Models: definitions(t), Descriptions: ownDescriptions(t)})
	for endpoint, sensor := range map[string]string{
		"gw-well": "", "gw-fails": "\n[[sensor]]\nname = 'cellar'\ndriver = 'thermal'\ndevice = 'no such zone'\n",
	} {
		t.Run(endpoint, func(t *testing.T) {
			s := peer{l, endpoint, true}
			a := gateway.Start(t, board(endpoint)+sensor+server(l.CoAP, false, ""))
			s.AwaitRegistered(t, endpoint, patience)
			var codes, subjects []string
			a.AwaitStatus(t, "sensor that fails", func(st gateway.Status) bool {
				codes, subjects = make([]string, 0, len(st.Health)), make([]string, 0, len(st.Health))
				for _, h := range st.Health {
					codes, subjects = append(codes, h.Code), append(subjects, h.On)
				}
				return sensor == "" || slices.Contains(subjects, "cellar")
			})
			after, count := s.Now(t), strconv.Itoa(len(codes))
			shown := func(c leshan.Content) bool { return c["/26244/0/0"] == count }
			if !shown(must(t, "2.05", s.Observe(t, endpoint, "/26244/0/0", lwm2m.FormatTLV)).Content) {
				s.AwaitNotification(t, after, patience, endpoint, "/26244/0/0", shown)
			}
			for _, f := range []lwm2m.Format{lwm2m.FormatTLV, lwm2m.FormatSenMLJSON, lwm2m.FormatSenMLCBOR} {
				same(t, codes, must(t, "2.05", s.Observe(t, endpoint, "/26244/0/1", f)).Content)
				same(t, subjects, must(t, "2.05", s.Read(t, endpoint, "/26244/0/2", f)).Content)
				if got, want := must(t, "2.05", s.Read(t, endpoint, "/26244/0", f)).Content, 1+6*len(codes); len(got) != want {
					t.Errorf("%v: %d values, want %d: %v", f, len(got), want, got)
				}
			}
		})
	}
}

// same compares the values of a multiple resource, in any order.
func same(t *testing.T, want []string, got leshan.Content) {
	t.Helper()
	if values := slices.Sorted(maps.Values(got)); !slices.Equal(values, slices.Sorted(slices.Values(want))) {
		t.Errorf("%v, want %v", got, want)
	}
}
