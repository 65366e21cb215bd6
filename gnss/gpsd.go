package gnss

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"strings"
	"time"
)

// Daemon is a receiver that gpsd has.
type Daemon struct {
	// Address is "host:port", or the path of gpsd's socket.
	Address string
	// Device is which of gpsd's receivers: "/dev/ttyS1"; "" is whichever speaks.
	Device string
}

const (
	dialTime  = 10 * time.Second
	maxObject = 64 << 10 // bytes; a list of satellites has a few thousand
)

// object is what matters here of those that gpsd sends (gpsd_json(5)).
type object struct {
	Class   string     `json:"class"`
	Message string     `json:"message"` // of ERROR
	Devices []struct{} `json:"devices"` // of DEVICES

	// Of TPV.
	Device string    `json:"device"`
	Mode   int       `json:"mode"`   // 2: a fix; 3: with an altitude
	Status int       `json:"status"` // 5: surveyed, 6: dead reckoning, 8: simulated
	Time   time.Time `json:"time"`
	Lat    *float64  `json:"lat"`
	Lon    *float64  `json:"lon"`
	AltMSL *float64  `json:"altMSL"` // since 3.20
	Alt    *float64  `json:"alt"`    // before
	EPH    *float64  `json:"eph"`
	EPX    *float64  `json:"epx"`
	EPY    *float64  `json:"epy"`
	Speed  *float64  `json:"speed"`
	Track  *float64  `json:"track"`
}

// Follow implements Source. While nobody follows, gpsd closes the receiver (unless it runs
// with -n), which then may save power.
func (d Daemon) Follow(ctx context.Context, report func(Report)) error {
	network, address := "tcp", d.Address
	if strings.HasPrefix(address, "/") {
		network = "unix"
	}
	conn, err := (&net.Dialer{Timeout: dialTime}).DialContext(ctx, network, address)
	if err != nil {
		if ctx.Err() != nil {
			return nil
		}
		return fmt.Errorf("connect with gpsd: %w", err)
	}
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() }) // which ends a Read
	defer func() {
		if stop() {
			_ = conn.Close()
		}
	}()
	if err = d.watch(conn); err == nil {
		lines := bufio.NewScanner(conn)
		lines.Buffer(nil, maxObject)
		for lines.Scan() {
			d.hear(lines.Bytes(), report)
		}
		err = lines.Err()
	}
	switch {
	case ctx.Err() != nil:
		return nil
	case err == nil:
		return errors.New("gpsd has ended the connection")
	}
	return fmt.Errorf("read from gpsd: %w", err)
}

// watch asks to be told (gpsd_json(5), WATCH).
func (d Daemon) watch(conn net.Conn) error {
	options, err := json.Marshal(struct {
		Enable bool   `json:"enable"`
		JSON   bool   `json:"json"`
		Device string `json:"device,omitempty"`
	}{true, true, d.Device})
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(conn, "?WATCH=%s;\n", options)
	return err
}

// errNoReceiver says that gpsd runs for nothing.
var errNoReceiver = errors.New(`gpsd has no receiver: name it in /etc/default/gpsd (DEVICES), or by "gpsdctl add"`)

// hear takes in an object. What cannot be read is none that matters.
func (d Daemon) hear(line []byte, report func(Report)) {
	var o object
	if json.Unmarshal(line, &o) != nil {
		return
	}
	switch {
	case o.Class == "DEVICES" && len(o.Devices) == 0:
		report(Report{Why: errNoReceiver})
	case o.Class == "ERROR":
		report(Report{Why: fmt.Errorf("gpsd: %q", o.Message)})
	case o.Class == "TPV" && (d.Device == "" || d.Device == o.Device):
		report(reportOf(o.fix()))
	}
}

// fix returns the fix of a TPV, nil if it has none.
func (o *object) fix() *Fix {
	if o.Mode < 2 || o.Lat == nil || o.Lon == nil {
		return nil
	}
	f := &Fix{
		Time: o.Time, Latitude: *o.Lat, Longitude: *o.Lon, Altitude: o.AltMSL, Radius: o.EPH, Speed: o.Speed, Course: o.Track,
		Estimated: o.Status == 6 || o.Status == 8,
	}
	if f.Altitude == nil {
		f.Altitude = o.Alt
	}
	if f.Radius == nil && o.EPX != nil && o.EPY != nil {
		f.Radius = new(max(*o.EPX, *o.EPY))
	}
	return f
}
