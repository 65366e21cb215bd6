package bind

import (
	"context"
	"errors"

	"lwm2m-agent/fota"
	"lwm2m-agent/lwm2m"
	"lwm2m-agent/lwm2m/model"
	"lwm2m-agent/objects"
)

// Firmware is an Updater as object 5 wants it (objects.FirmwareUpdater). It may be
// replaced while it is in use: a simulated machine reboots.
type Firmware struct {
	Updater func() *fota.Updater
}

var _ objects.FirmwareUpdater = Firmware{}

// Receive implements objects.FirmwareUpdater.
func (f Firmware) Receive(ctx context.Context, size int64) (model.Stream, error) {
	r, err := f.Updater().Receive(ctx, size)
	if err != nil {
		return nil, FirmwareRefusal(err)
	}
	return push{r}, nil
}

// push is a package that comes, as a model.Stream.
type push struct{ reception *fota.Reception }

// Write implements model.Stream.
func (p push) Write(ctx context.Context, b []byte) error {
	return FirmwareRefusal(p.reception.Write(ctx, b))
}

// Close implements model.Stream.
func (p push) Close(ctx context.Context) error { return FirmwareRefusal(p.reception.Close(ctx, false)) }

// Abort implements model.Stream.
func (p push) Abort(cause error) { p.reception.Abort(context.Background(), cause) } //nolint:forbidigo // it ends with the updater

// Fetch implements objects.FirmwareUpdater.
func (f Firmware) Fetch(ctx context.Context, uri string) error {
	return FirmwareRefusal(f.Updater().Fetch(ctx, uri))
}

// Reset implements objects.FirmwareUpdater.
func (f Firmware) Reset(ctx context.Context) error { return FirmwareRefusal(f.Updater().Reset(ctx)) }

// Update implements objects.FirmwareUpdater.
func (f Firmware) Update(ctx context.Context) error { return FirmwareRefusal(f.Updater().Update(ctx)) }

// Cancel implements objects.FirmwareUpdater.
func (f Firmware) Cancel(ctx context.Context) error { return FirmwareRefusal(f.Updater().Cancel(ctx)) }

// SetPolicy implements objects.FirmwareUpdater.
func (f Firmware) SetPolicy(ctx context.Context, p objects.FirmwarePolicy) error {
	return FirmwareRefusal(f.Updater().SetPolicy(ctx, fota.Policy(p)))
}

// FirmwareRefusal gives an error of fota its response code.
func FirmwareRefusal(err error) error {
	f, failure := errors.AsType[*fota.Failure](err)
	switch {
	case err == nil:
		return nil
	case errors.Is(err, fota.ErrNotNow):
		return lwm2m.Errorf(lwm2m.MethodNotAllowed, "the state of the firmware update does not allow it; read /5/0/3")
	case errors.Is(err, fota.ErrStopped):
		return lwm2m.Errorf(lwm2m.ServiceUnavailable, "%w", err)
	case failure && f.Result == fota.NoStorage:
		return lwm2m.Errorf(lwm2m.RequestEntityTooLarge, "%w", err)
	}
	return lwm2m.Errorf(lwm2m.InternalServerError, "%w", err)
}

// FirmwareStatus is an update as object 5 shows it.
func FirmwareStatus(s fota.Status) objects.FirmwareStatus {
	return objects.FirmwareStatus{
		State: int(s.Phase.State()), Result: int(s.Result), Changed: s.Since, URI: s.URI,
		Name: s.Package.Name, Version: s.Package.Version, Policy: objects.FirmwarePolicy(s.Policy),
	}
}

// FirmwareProgress is an update as object 26243 shows it.
func FirmwareProgress(s *fota.Status) objects.FirmwareProgress {
	p := objects.FirmwareProgress{
		Phase: s.Phase.String(), Received: s.OnDisk, Size: s.Size, Source: s.Source, WaitingFor: string(s.Wait.For), WaitingUntil: s.Wait.Until,
		Reason: s.Reason, Used: s.Spent, Budget: s.Budget.Bytes,
	}
	if s.Wait.Why != "" {
		p.Reason = s.Wait.Why
	}
	return p
}
