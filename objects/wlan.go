package objects

import (
	"context"
	"encoding/hex"
	"math"
	"net"
	"slices"
	"strings"
	"sync"

	"lwm2m-agent/lwm2m"
	"lwm2m-agent/lwm2m/model"
)

// WLANStatus is the state of a wireless interface (/12/x/3).
type WLANStatus int

// The states.
const (
	WLANDisabled WLANStatus = 0
	WLANUp       WLANStatus = 1
	WLANError    WLANStatus = 2 // switched on, and not connected
)

// WLANMode is what a wireless interface does (/12/x/8).
type WLANMode int

// The modes.
const (
	WLANAccessPoint WLANMode = 0
	WLANStation     WLANMode = 1
	WLANBridge      WLANMode = 2
	WLANRepeater    WLANMode = 3
)

// WLANRadio is the band of a radio (/12/x/2).
type WLANRadio int

// The bands; 6 GHz has none of its own.
const (
	RadioDisabled WLANRadio = 0
	Radio2400MHz  WLANRadio = 1
	Radio5GHz     WLANRadio = 2
	Radio900MHz   WLANRadio = 3
	Radio60GHz    WLANRadio = 6
)

// WLANStandard is the standard in use (/12/x/14).
type WLANStandard int

// The standards: of 802.11.
const (
	StandardA   WLANStandard = 0
	StandardBG  WLANStandard = 2
	StandardN   WLANStandard = 4
	StandardBGN WLANStandard = 5
	StandardAC  WLANStandard = 6
	StandardAH  WLANStandard = 7
)

// WLANAuthentication is what a network asks of its stations (/12/x/15).
type WLANAuthentication int

// The authentication modes.
const (
	AuthenticationNone   WLANAuthentication = 0
	AuthenticationPSK    WLANAuthentication = 1
	AuthenticationEAP    WLANAuthentication = 2
	AuthenticationEAPPSK WLANAuthentication = 3
)

// WLANEncryption is how frames are protected (/12/x/16).
type WLANEncryption int

// The encryption modes.
const (
	EncryptionAES  WLANEncryption = 0
	EncryptionTKIP WLANEncryption = 1
	EncryptionWEP  WLANEncryption = 2
)

// WLAN is one wireless interface. Pointers are nil where nothing is known.
type WLAN struct {
	Instance       uint16 // of object 12
	Name           string // "wlan0"
	Status         WLANStatus
	MAC            net.HardwareAddr
	SSID           string // "" while there is none
	Mode           *WLANMode
	Radio          *WLANRadio
	Channel        int // 0 while there is none
	Standard       *WLANStandard
	Authentication *WLANAuthentication
	Encryption     *WLANEncryption

	// Counter reads one of the counters of the interface; it may not block.
	Counter func(WLANCounter) uint64
}

// WLANCounter is what is counted: the resource of object 12.
type WLANCounter uint16

// The counters that Linux has.
const (
	WLANBytesSent         WLANCounter = 33
	WLANBytesReceived     WLANCounter = 34
	WLANPacketsSent       WLANCounter = 35
	WLANPacketsReceived   WLANCounter = 36
	WLANTransmitErrors    WLANCounter = 37
	WLANReceiveErrors     WLANCounter = 38
	WLANMulticastReceived WLANCounter = 42
	WLANDiscardedSent     WLANCounter = 45
	WLANDiscardedReceived WLANCounter = 46
)

var wlanCounters = []WLANCounter{
	WLANBytesSent, WLANBytesReceived, WLANPacketsSent, WLANPacketsReceived, WLANTransmitErrors, WLANReceiveErrors,
	WLANMulticastReceived, WLANDiscardedSent, WLANDiscardedReceived,
}

// The resources of object 12 that are served besides (OMA registry). Keys (17,
// 18, 21 to 25, 28) are write only in the registry and not served.
const (
	objectWLAN            = 12
	ridInterfaceName      = 0
	ridInterfaceEnable    = 1
	ridRadioEnabled       = 2
	ridInterfaceStatus    = 3
	ridBSSID              = 4
	ridSSID               = 5
	ridWLANMode           = 8
	ridChannel            = 9
	ridStandard           = 14
	ridAuthenticationMode = 15
	ridEncryptionMode     = 16
)

// WLANConnectivity is object 12: the wireless interfaces of the machine, read
// only. The object is there as long as there is one.
type WLANConnectivity struct {
	model.Plain
	tree *model.Tree

	mu  sync.Mutex
	pub *model.Publisher // nil while there is no interface
}

// NewWLANConnectivity returns the owner of object 12, which the first Publish of
// an interface adds to the tree.
func NewWLANConnectivity(tree *model.Tree) *WLANConnectivity { return &WLANConnectivity{tree: tree} }

// Publish enters all interfaces that there are now.
func (w *WLANConnectivity) Publish(interfaces []WLAN) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(interfaces) == 0 {
		if w.pub != nil {
			w.tree.Remove(objectWLAN)
			w.pub = nil
		}
		return nil
	}
	if w.pub == nil {
		var err error
		if w.pub, err = w.tree.AddRegistered(objectWLAN, w); err != nil {
			w.pub = nil
			return err
		}
	}
	var b model.Batch
	for _, iid := range w.tree.Instances(objectWLAN) {
		if !slices.ContainsFunc(interfaces, func(in WLAN) bool { return in.Instance == iid }) {
			b.Delete(iid)
		}
	}
	for i := range interfaces {
		interfaces[i].enter(&b)
	}
	return w.pub.Publish(&b)
}

// Prepare refuses all changes: 4.05.
func (w *WLANConnectivity) Prepare(context.Context, *model.Edit) (model.Transaction, error) {
	return nil, lwm2m.Errorf(lwm2m.MethodNotAllowed, "object 12 (WLAN connectivity) shows the interfaces of this machine and cannot be written")
}

func (w *WLAN) enter(b *model.Batch) {
	iid := w.Instance
	b.Create(iid)
	b.Set(iid, ridInterfaceName, lwm2m.String(w.Name))
	b.Set(iid, ridInterfaceEnable, lwm2m.Boolean(w.Status != WLANDisabled))
	b.Set(iid, ridInterfaceStatus, lwm2m.Integer(int64(w.Status)))
	b.Set(iid, ridBSSID, lwm2m.String(strings.ToUpper(hex.EncodeToString(w.MAC))))
	b.Set(iid, ridSSID, lwm2m.String(w.SSID))
	b.Set(iid, ridChannel, lwm2m.Integer(int64(w.Channel)))
	mandatory(b, iid, ridWLANMode, w.Mode, WLANStation)
	mandatory(b, iid, ridStandard, w.Standard, StandardBGN)
	mandatory(b, iid, ridAuthenticationMode, w.Authentication, AuthenticationNone)
	optional(b, iid, ridRadioEnabled, w.Radio)
	optional(b, iid, ridEncryptionMode, w.Encryption)
	for _, c := range wlanCounters {
		b.Compute(iid, uint16(c), func() lwm2m.Value { return lwm2m.Integer(int64(min(w.Counter(c), math.MaxInt64))) })
	}
}

// mandatory enters a value that must be there: what is not known is a guess, of
// uncertain quality.
func mandatory[T ~int](b *model.Batch, iid, rid uint16, v *T, guess T) {
	if v != nil {
		b.Set(iid, rid, lwm2m.Integer(int64(*v)))
		return
	}
	b.SetAt(iid, rid, lwm2m.Integer(int64(guess)), noTime, model.Uncertain)
}

// optional enters a value, or takes it away where it is not known.
func optional[T ~int](b *model.Batch, iid, rid uint16, v *T) {
	if v != nil {
		b.Set(iid, rid, lwm2m.Integer(int64(*v)))
		return
	}
	b.Remove(iid, rid)
}
