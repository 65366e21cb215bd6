package host

import (
	"context"
	"errors"
	"fmt"

	"golang.org/x/sys/unix"
)

// genlNotify is the group that tells of generic netlink families that come and
// go.
const genlNotify = 16

// WatchWLAN calls changed, from its own goroutine, when a wireless interface
// connects, disconnects, roams, changes its channel or its mode, until the context
// ends, which gives nil. Interfaces that come, go, or are switched tell
// NetworkWatch. The module that serves nl80211 may come later.
func WatchWLAN(ctx context.Context, changed func()) error {
	s, err := openNetlink(unix.NETLINK_GENERIC, 1<<(genlNotify-1))
	if err != nil {
		return fmt.Errorf("watch wireless interfaces: %w", err)
	}
	w := wlanWatch{join: s.join, find: findFamily, changed: changed}
	w.find80211()
	if err := s.receiveAll(ctx, w.take); err != nil {
		return fmt.Errorf("watch wireless interfaces: %w", err)
	}
	return nil
}

// wlanWatch makes of netlink's messages what has changed.
type wlanWatch struct {
	join    func(group uint32) error
	find    func(name string) (family, error)
	changed func()
	family  uint16 // of nl80211; 0 while it is not there
}

// find80211 joins the groups of nl80211. It is not there before the first
// wireless interface.
func (w *wlanWatch) find80211() {
	f, err := w.find(unix.NL80211_GENL_NAME)
	switch {
	case errors.Is(err, unix.ENOENT):
		w.family = 0 // unloaded, and its groups with it
		return
	case err != nil || f.id == w.family:
		return
	}
	w.family = f.id
	for _, name := range []string{unix.NL80211_MULTICAST_GROUP_CONFIG, unix.NL80211_MULTICAST_GROUP_MLME} {
		if group := f.groups[name]; group != 0 {
			_ = w.join(group) // what the kernel does not tell shows with the next change of a link
		}
	}
}

// take looks at what was received; nothing (nil) says that messages were lost.
func (w *wlanWatch) take(message []byte) {
	relevant := message == nil
	_, _ = genlMessages(message, func(m genlMessage) {
		switch {
		case m.family == unix.GENL_ID_CTRL:
			w.find80211()
		case m.family == w.family && changesWLAN(m.command):
			relevant = true
		}
	})
	if relevant {
		w.changed()
	}
}

// changesWLAN picks what matters of the many events of an access point.
func changesWLAN(command uint8) bool {
	switch command {
	case unix.NL80211_CMD_SET_INTERFACE, unix.NL80211_CMD_NEW_INTERFACE, unix.NL80211_CMD_START_AP, unix.NL80211_CMD_STOP_AP,
		unix.NL80211_CMD_CONNECT, unix.NL80211_CMD_ROAM, unix.NL80211_CMD_DISCONNECT, unix.NL80211_CMD_CH_SWITCH_NOTIFY:
		return true
	}
	return false
}
