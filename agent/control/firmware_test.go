package control

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"lwm2m-agent/lwm2m"
)

// updates is a FirmwareBackend that remembers what it was asked.
type updates struct {
	acted     []string
	installed int64
	size      int64
	refuse    error
}

func (u *updates) Firmware(context.Context) (Firmware, error) {
	return Firmware{State: "updating", Phase: "trial", Slots: []Slot{{Name: "A", Booted: true}}}, u.refuse
}

func (u *updates) Act(_ context.Context, action string) error {
	u.acted = append(u.acted, action)
	return u.refuse
}

func (u *updates) Install(_ context.Context, size int64, r io.Reader) (err error) {
	u.size = size
	u.installed, err = io.Copy(io.Discard, r)
	return err
}

func request(t *testing.T, h http.Handler, method, body string) (code int, answer string) {
	t.Helper()
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), method, "/v1/firmware", strings.NewReader(body)))
	return w.Code, w.Body.String()
}

func TestFirmwareRoutes(t *testing.T) {
	u := &updates{}
	h := Handler(newDevice(t), everyone, HandlerOptions{Firmware: u})
	code, text := request(t, h, http.MethodGet, "")
	var f Firmware
	if err := json.Unmarshal([]byte(text), &f); code != 200 || err != nil || f.Phase != "trial" || len(f.Slots) != 1 {
		t.Errorf("%d %s", code, text)
	}
	for _, action := range []string{FirmwareAccept, FirmwareCancel, FirmwareInstall, FirmwareMarkGood, FirmwareRollback} {
		if code, text := request(t, h, http.MethodPost, `{"action":"`+action+`"}`); code != http.StatusNoContent {
			t.Errorf("%s: %d %s", action, code, text)
		}
	}
	if len(u.acted) != 5 {
		t.Errorf("acted %v", u.acted)
	}
	if code, _ := request(t, h, http.MethodPost, `{"action":"format"}`); code != http.StatusBadRequest || len(u.acted) != 5 {
		t.Errorf("an unknown action: %d", code)
	}
	large := strings.Repeat("x", 3*maxBody)
	if code, text := request(t, h, http.MethodPut, large); code != http.StatusAccepted || u.installed != int64(len(large)) || u.size != u.installed {
		t.Errorf("%d %s: %d of %d bytes", code, text, u.installed, u.size)
	}
	u.refuse = lwm2m.Errorf(lwm2m.MethodNotAllowed, "not now")
	if code, _ := request(t, h, http.MethodPost, `{"action":"rollback"}`); code != http.StatusMethodNotAllowed {
		t.Errorf("a refusal: %d", code)
	}
}

func TestFirmwareRoutesWithoutFirmware(t *testing.T) {
	h := Handler(newDevice(t), everyone, HandlerOptions{})
	for _, method := range []string{http.MethodGet, http.MethodPost, http.MethodPut} {
		if code, text := request(t, h, method, "{}"); code != http.StatusNotFound || !strings.Contains(text, "[firmware]") {
			t.Errorf("%s: %d %s", method, code, text)
		}
	}
}
