package rig

import "lwm2m-agent/test/workspace"

// AddWLAN gives the board two simulated wireless interfaces, wlan0 and wlan1 (the kernel's mac80211_hwsim), which hear each other.
func (b *Board) AddWLAN(t workspace.T) {
	t.Helper()
	b.Run(t, "while read -r module; do insmod /lib/modules/$module; done </lib/modules/"+wireless)
}

// RemoveWLAN takes them away.
func (b *Board) RemoveWLAN(t workspace.T) {
	t.Helper()
	b.Run(t, "rmmod "+wireless)
}
