package at

import (
	"context"
	"strconv"
	"strings"

	"lwm2m-agent/modem"
)

// radioStatistics asks AT+NUESTATS, which answers lines of a name and a number: powers in tenths
// of dBm, ratios in tenths of a decibel, the coverage level.
func radioStatistics(ctx context.Context, s *session, text string) (modem.Signal, error) {
	var sig modem.Signal
	lines, err := s.do(ctx, Command{Text: text, Prefix: "NUESTATS:", MayBeEmpty: true})
	if err != nil && !refused(err) {
		return sig, err
	}
	for _, l := range lines {
		// NUESTATS: "RADIO","Signal power",-965 of u-blox, NUESTATS:RADIO,Signal power:-965 of Quectel
		f := fields(strings.ReplaceAll(l, ":", ","))
		n, err := strconv.Atoi(field(f, len(f)-1))
		if err != nil || n < -2000 {
			continue
		}
		tenth := float64(n) / 10
		switch strings.ToLower(field(f, len(f)-2)) {
		case "signal power":
			sig.RSRP = &tenth
		case "total power":
			sig.RSSI = &tenth
		case "snr":
			sig.SNR = &tenth
		case "rsrq":
			sig.RSRQ = &tenth
		case "ecl":
			sig.Coverage = coverage(f, len(f)-1)
		}
	}
	return sig, nil
}
