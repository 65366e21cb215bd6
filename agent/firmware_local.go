package agent

import (
	"context"
	"errors"
	"io"

	"lwm2m-agent/agent/bind"
	"lwm2m-agent/agent/control"
	"lwm2m-agent/fota"
	"lwm2m-agent/lwm2m"
)

// localFirmware is the update as the control interface sees it.
type localFirmware struct{ *firmware }

var _ control.FirmwareBackend = localFirmware{}

// updates returns what the control interface drives; nil: no updates.
func (a *Agent) updates() control.FirmwareBackend {
	if a.firmware == nil {
		return nil
	}
	return localFirmware{a.firmware}
}

// Firmware implements control.FirmwareBackend.
func (l localFirmware) Firmware(ctx context.Context) (control.Firmware, error) {
	f := shownFirmware(l.now.Load().Status())
	slots, err := l.slots.Slots(ctx)
	if err != nil || l.unusable.Load() {
		l.lookAgain()
	}
	if err != nil { // the update has more to tell than its slots
		f.Unknown = err.Error()
	}
	for _, s := range slots.All {
		f.Slots = append(f.Slots, control.Slot{
			Name: s.Name, Booted: s.Name == slots.Booted, Good: s.Good, Version: s.Image.Version, Hash: s.Image.Hash,
		})
	}
	return f, nil
}

func shownFirmware(s fota.Status) control.Firmware {
	f := control.Firmware{
		State: s.Phase.State().String(), Phase: s.Phase.String(), Since: s.Since.UTC(), Result: int(s.Result), Reason: s.Reason,
		Name: s.Package.Name, Version: s.Package.Version, URI: s.URI, Source: s.Source, OnDisk: s.OnDisk, Size: s.Size,
	}
	if s.Result != fota.Initial {
		f.Outcome = s.Result.String()
	}
	if b := s.Budget.Bytes; b > 0 {
		f.Data = &control.Data{Used: s.Spent, Budget: b, Renewed: s.Renewed.UTC()}
	}
	if w := s.Wait; w.For != "" {
		f.Wait = &control.Wait{For: string(w.For), Until: w.Until.UTC(), Why: w.Why}
	}
	if s.Phase == fota.Deferred {
		f.Until = s.Until.UTC()
	}
	return f
}

// Act implements control.FirmwareBackend.
func (l localFirmware) Act(ctx context.Context, action string) error {
	u := l.now.Load()
	var err error
	switch action {
	case control.FirmwareAccept:
		err = u.Accept(ctx)
	case control.FirmwareCancel:
		err = u.Cancel(ctx)
	case control.FirmwareInstall:
		err = u.Install(ctx)
	case control.FirmwareMarkGood:
		err = u.MarkGood(ctx)
	case control.FirmwareRollback:
		err = u.Rollback(ctx)
	}
	if errors.Is(err, fota.ErrNotNow) {
		return lwm2m.Errorf(lwm2m.MethodNotAllowed, "%s: the update is %s", action, u.Status().Phase)
	}
	if _, ok := errors.AsType[*fota.Failure](err); ok { // the slots do not
		return lwm2m.Errorf(lwm2m.MethodNotAllowed, "%s: %w", action, err)
	}
	return err
}

// chunk is how much of a package is taken at a time.
const chunk = 64 << 10

// Install implements control.FirmwareBackend.
func (l localFirmware) Install(ctx context.Context, size int64, r io.Reader) error {
	u := l.now.Load()
	reception, err := u.Receive(ctx, size)
	if errors.Is(err, fota.ErrNotNow) {
		return lwm2m.Errorf(lwm2m.MethodNotAllowed, "install: the update is %s; cancel it first", u.Status().Phase)
	}
	if err != nil {
		return bind.FirmwareRefusal(err)
	}
	buffer := make([]byte, chunk)
	for {
		n, err := r.Read(buffer)
		if n > 0 {
			if err := reception.Write(ctx, buffer[:n]); err != nil {
				return bind.FirmwareRefusal(err)
			}
		}
		if errors.Is(err, io.EOF) {
			return bind.FirmwareRefusal(reception.Close(ctx, true))
		}
		if err != nil {
			reception.Abort(context.WithoutCancel(ctx), err)
			return lwm2m.Errorf(lwm2m.BadRequest, "the package did not come whole: %w", err)
		}
	}
}

// tellFirmware tells local users how the update stands.
func (f *statusFeed) tellFirmware(shown control.Firmware) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for s := range f.subs {
		s.mu.Lock()
		s.firmware = &shown
		s.mu.Unlock()
		s.signal()
	}
}
