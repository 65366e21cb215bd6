package bind

import (
	"errors"
	"io/fs"

	"lwm2m-agent/agent/store"
	"lwm2m-agent/host"
	"lwm2m-agent/objects"
)

// WLAN shows the wireless interfaces of this machine in object 12.
type WLAN struct {
	Root   fs.FS
	Store  *store.Store
	Object *objects.WLANConnectivity
}

// Publish enters the wireless interfaces among those of a network. Where nl80211 fails, what is known
// is entered all the same.
func (w *WLAN) Publish(n *host.Network) error {
	found, readErr := host.ReadWLAN(n)
	claims := make([]store.Claim, len(found))
	for i := range found {
		claims[i] = store.Claim{Object: 12, Name: found[i].Interface, Wanted: store.Any}
	}
	numbers, err := w.Store.Instances(claims)
	if err != nil {
		return errors.Join(readErr, err)
	}
	shown := make([]objects.WLAN, len(found))
	for i := range found {
		shown[i] = wlanOf(&found[i])
		shown[i].Instance = numbers[i]
		counter := host.WLANCounters(w.Root, found[i].Interface)
		shown[i].Counter = func(c objects.WLANCounter) uint64 { return counter(counterNames[c]) }
	}
	return errors.Join(readErr, w.Object.Publish(shown))
}

// counterNames are Linux's names of the counters.
var counterNames = map[objects.WLANCounter]string{
	objects.WLANBytesSent: "tx_bytes", objects.WLANBytesReceived: "rx_bytes",
	objects.WLANPacketsSent: "tx_packets", objects.WLANPacketsReceived: "rx_packets",
	objects.WLANTransmitErrors: "tx_errors", objects.WLANReceiveErrors: "rx_errors",
	objects.WLANMulticastReceived: "multicast",
	objects.WLANDiscardedSent:     "tx_dropped", objects.WLANDiscardedReceived: "rx_dropped",
}

// wlanOf puts an interface into the words of object 12.
func wlanOf(in *host.WLAN) objects.WLAN {
	w := objects.WLAN{Name: in.Interface, MAC: in.MAC, SSID: in.SSID, Channel: in.Channel(), Radio: wlanRadio(in), Standard: wlanStandard(in)}
	switch {
	case !in.Up:
		w.Status = objects.WLANDisabled
	case in.Running:
		w.Status = objects.WLANUp
	default:
		w.Status = objects.WLANError
	}
	switch in.Mode {
	case host.WLANStation:
		w.Mode = new(objects.WLANStation)
	case host.WLANAccessPoint:
		w.Mode = new(objects.WLANAccessPoint)
	case host.WLANBridge:
		w.Mode = new(objects.WLANBridge)
	case host.WLANMesh: // which passes on what it receives
		w.Mode = new(objects.WLANRepeater)
	case host.WLANOther:
	}
	if s := in.Security; s != nil {
		w.Authentication, w.Encryption = new(wlanAuthentication(s)), wlanEncryption(s.Cipher)
	}
	return w
}

func wlanRadio(in *host.WLAN) *objects.WLANRadio {
	switch f := in.Frequency; {
	case !in.Up:
		return new(objects.RadioDisabled)
	case f >= 800 && f < 1000:
		return new(objects.Radio900MHz)
	case f >= 2400 && f < 2500:
		return new(objects.Radio2400MHz)
	case f >= 4900 && f < 5900:
		return new(objects.Radio5GHz)
	case f >= 57000 && f < 71000:
		return new(objects.Radio60GHz)
	}
	return nil
}

// wlanStandard tells the standard by band and channel: 802.11n goes up to 40 MHz,
// what is wider counts as 802.11ac, the last that the object knows.
func wlanStandard(in *host.WLAN) *objects.WLANStandard {
	band := wlanRadio(in)
	switch {
	case band == nil || in.Width == 0:
		return nil
	case *band == objects.Radio900MHz:
		return new(objects.StandardAH)
	case *band == objects.Radio2400MHz && in.HighRate:
		return new(objects.StandardBGN)
	case *band == objects.Radio2400MHz:
		return new(objects.StandardBG)
	case *band == objects.Radio5GHz && in.Width > 40:
		return new(objects.StandardAC)
	case *band == objects.Radio5GHz && in.HighRate:
		return new(objects.StandardN)
	case *band == objects.Radio5GHz:
		return new(objects.StandardA)
	}
	return nil
}

func wlanAuthentication(s *host.WLANSecurity) objects.WLANAuthentication {
	switch {
	case s.PSK && s.EAP:
		return objects.AuthenticationEAPPSK
	case s.EAP:
		return objects.AuthenticationEAP
	case s.PSK:
		return objects.AuthenticationPSK
	}
	return objects.AuthenticationNone
}

func wlanEncryption(c host.WLANCipher) *objects.WLANEncryption {
	switch c {
	case host.CipherAES:
		return new(objects.EncryptionAES)
	case host.CipherTKIP:
		return new(objects.EncryptionTKIP)
	case host.CipherWEP:
		return new(objects.EncryptionWEP)
	}
	return nil
}
