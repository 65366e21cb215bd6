package bind

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"lwm2m-agent/hw"
	"lwm2m-agent/lwm2m"
)

// TestRefusalOfAnOutput: a server is told whether its value was wrong, or an output that does not work.
func TestRefusalOfAnOutput(t *testing.T) {
	for err, want := range map[error]lwm2m.Code{
		hw.ErrUnfit:              lwm2m.BadRequest,
		hw.ErrInterlocked:        lwm2m.MethodNotAllowed,
		hw.ErrHung:               lwm2m.ServiceUnavailable,
		context.DeadlineExceeded: lwm2m.ServiceUnavailable,
		errors.New("/dev/gpiochip9 does not exist"): lwm2m.InternalServerError,
	} {
		err = fmt.Errorf(`actuator "pump": %w`, err)
		if got := refusal(err); lwm2m.CodeOf(got) != want || !errors.Is(got, err) {
			t.Errorf("%v is told as %v, want %s", err, got, want)
		}
	}
	if err := refusal(nil); err != nil {
		t.Error(err)
	}
}
