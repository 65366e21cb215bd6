package control

import (
	"context"
	"io"
	"net/http"
	"time"

	"lwm2m-agent/lwm2m"
)

// FirmwareBackend updates the machine's firmware. Errors are those of Backend.
type FirmwareBackend interface {
	// Firmware says how the update and the slots stand.
	Firmware(ctx context.Context) (Firmware, error)
	// Act does one of the actions.
	Act(ctx context.Context, action string) error
	// Install takes a package, size bytes or 0 if that is unknown, and has it
	// installed when it is verified. It returns when it has come.
	Install(ctx context.Context, size int64, r io.Reader) error
}

// The actions.
const (
	FirmwareAccept   = "accept"    // the local user agrees to the update that waits
	FirmwareCancel   = "cancel"    // an update that is not being installed yet
	FirmwareInstall  = "install"   // the package that is there
	FirmwareMarkGood = "mark-good" // the running system; ends a trial
	FirmwareRollback = "rollback"  // to the other slot
)

// Firmware is how the update of the machine's firmware stands.
type Firmware struct {
	State   string    `json:"state"`             // of object 5: "idle", "downloading", "downloaded", "updating"
	Phase   string    `json:"phase"`             // finer: "trial"
	Since   time.Time `json:"since,omitzero"`    // of State
	Result  int       `json:"result"`            // Update Result of object 5
	Outcome string    `json:"outcome,omitempty"` // Result in words
	Reason  string    `json:"reason,omitempty"`  // why it has failed
	Name    string    `json:"name,omitempty"`    // of the package
	Version string    `json:"version,omitempty"` // of the package
	URI     string    `json:"uri,omitempty"`
	Source  string    `json:"source,omitempty"`  // the mirror that the package comes from; "": URI
	OnDisk  int64     `json:"on_disk,omitempty"` // bytes of the package
	Size    int64     `json:"size,omitempty"`    // of the package, as far as it is known
	Until   time.Time `json:"until,omitzero"`    // an update that waits for consent is installed then
	Wait    *Wait     `json:"wait,omitempty"`    // nil: it waits for nothing but what it does
	Data    *Data     `json:"data,omitempty"`    // nil: there is no data budget
	Slots   []Slot    `json:"slots,omitempty"`
	Unknown string    `json:"slots_unknown,omitempty"` // why the slots are not known
}

// Data is what downloads have cost.
type Data struct {
	Used    int64     `json:"used"`    // bytes on the wire in this day or month
	Budget  int64     `json:"budget"`  // of them
	Renewed time.Time `json:"renewed"` // when the next day or month begins
}

// Wait is what an update that could go on waits for.
type Wait struct {
	For   string    `json:"for"`           // "the download hours", "the reboot hours", "the data budget", "another attempt"
	Until time.Time `json:"until"`         // at the latest
	Why   string    `json:"why,omitempty"` // of another attempt: how the last one ended
}

// Slot is one slot of the firmware.
type Slot struct {
	Name    string `json:"name"`
	Booted  bool   `json:"booted"` // it runs
	Good    bool   `json:"good"`   // marked so: it boots from now on
	Version string `json:"version,omitempty"`
	Hash    string `json:"hash,omitempty"`
}

// FirmwareRequest is the body of POST /v1/firmware.
type FirmwareRequest struct {
	Action string `json:"action"`
}

// firmwarePath is the route of firmware updates.
const firmwarePath = "/v1/firmware"

// takesPackage reports whether the body is a package: it is not JSON, and the
// updater bounds it.
func (rt *route) takesPackage() bool { return rt.path == firmwarePath && rt.method == http.MethodPut }

// ofFirmware is a route of what only an agent with [firmware] has.
func ofFirmware(f func(*handler, http.ResponseWriter, *http.Request) error) func(*handler, http.ResponseWriter, *http.Request) error {
	return func(h *handler, w http.ResponseWriter, r *http.Request) error {
		if h.updates == nil {
			return lwm2m.Errorf(lwm2m.NotFound, "firmware updates are not configured: there is no [firmware]")
		}
		return f(h, w, r)
	}
}

func (h *handler) showFirmware(w http.ResponseWriter, r *http.Request) error {
	f, err := h.updates.Firmware(r.Context())
	if err != nil {
		return err
	}
	return answer(w, http.StatusOK, f)
}

func (h *handler) actOnFirmware(w http.ResponseWriter, r *http.Request) error {
	var request FirmwareRequest
	if err := body(r, &request); err != nil {
		return err
	}
	switch request.Action {
	case FirmwareAccept, FirmwareCancel, FirmwareInstall, FirmwareMarkGood, FirmwareRollback:
	default:
		return lwm2m.Errorf(lwm2m.BadRequest, "there is no action %.20q; there are accept, cancel, install, mark-good and rollback", request.Action)
	}
	if err := h.updates.Act(r.Context(), request.Action); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

func (h *handler) installFirmware(w http.ResponseWriter, r *http.Request) error {
	if err := h.updates.Install(r.Context(), max(0, r.ContentLength), r.Body); err != nil {
		return err
	}
	w.WriteHeader(http.StatusAccepted)
	return nil
}

// Firmware asks how the update and the slots stand.
func (c *Client) Firmware(ctx context.Context) (Firmware, error) {
	var f Firmware
	return f, c.get(ctx, "/v1/firmware", nil, &f)
}

// ActOnFirmware does an action.
func (c *Client) ActOnFirmware(ctx context.Context, action string) error {
	return c.send(ctx, http.MethodPost, "/v1/firmware", FirmwareRequest{Action: action})
}

// InstallFirmware hands over a package of a size in bytes.
func (c *Client) InstallFirmware(ctx context.Context, size int64, r io.Reader) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodPut, "http://agent/v1/firmware", io.NopCloser(r))
	if err != nil {
		return err
	}
	request.ContentLength = size
	request.Header.Set("Content-Type", "application/octet-stream")
	response, err := c.roundTrip(ctx, request)
	if err != nil {
		return err
	}
	return response.Body.Close()
}
