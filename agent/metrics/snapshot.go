package metrics

import (
	"strconv"
	"time"

	"lwm2m-agent/agent/control"
)

// Snapshot is the agent at one moment.
type Snapshot struct {
	Status   control.Status
	Troubles []control.Trouble
	Channels []Channel
	Process  Process
}

// Channel is one channel of a sensor, with what it has given since the agent started.
type Channel struct {
	Sensor, Name       string
	Readings, Failures uint64 // all readings, and those of them that are no value
}

// Process is the agent's process.
type Process struct {
	ResidentBytes, HeapBytes uint64
	Goroutines               int
}

// Type is what Prometheus does with a family.
type Type string

// The types in use.
const (
	Counter Type = "counter"
	Gauge   Type = "gauge"
)

// family is one line of the table: what is told under one name.
type family struct {
	name   string
	typ    Type
	help   string
	labels []string
	tell   func(s *Snapshot, say say)
}

// say adds a sample, with a value for each label.
type say func(value float64, labels ...string)

// families is the table, in the order in which it is told.
var families = []family{
	{"lwm2m_agent_info", Gauge, "1, with the version that runs.", []string{"version"}, func(s *Snapshot, say say) { say(1, s.Status.Version) }},
	{"lwm2m_agent_start_time_seconds", Gauge, "When the agent started, in Unix time.", nil, func(s *Snapshot, say say) { say(seconds(s.Status.Started)) }},
	{"lwm2m_agent_server_registered", Gauge, "1 while the registration at the server stands, else 0.", perServer, servers(registered)},
	{
		"lwm2m_agent_server_state", Gauge, "1, with the state of the account: `waiting`, `connecting`, `registered`, `asleep` ….",
		[]string{"server", "state"},
		func(s *Snapshot, say say) {
			for i := range s.Status.Servers {
				say(1, id(&s.Status.Servers[i]), s.Status.Servers[i].State)
			}
		},
	},
	{"lwm2m_agent_server_messages_sent_total", Counter, "CoAP messages to the server, repeated ones too.", perServer, servers(func(s *control.Server) float64 { return float64(s.SentMessages) })},
	{"lwm2m_agent_server_messages_received_total", Counter, "CoAP messages from the server.", perServer, servers(func(s *control.Server) float64 { return float64(s.ReceivedMessages) })},
	{"lwm2m_agent_server_retransmissions_total", Counter, "CoAP messages that were sent again since no answer came.", perServer, servers(func(s *control.Server) float64 { return float64(s.Retransmissions) })},
	{"lwm2m_agent_server_traffic_sent_bytes_total", Counter, "Bytes on the wire to the server, headers included, by what they are for.", perPurpose, traffic(func(f control.Flow) uint64 { return f.SentBytes })},
	{"lwm2m_agent_server_traffic_received_bytes_total", Counter, "Bytes on the wire from the server, headers included, by what they are for.", perPurpose, traffic(func(f control.Flow) uint64 { return f.ReceivedBytes })},
	{"lwm2m_agent_server_exchanges_sent_total", Counter, "Datagrams to the server, by what they are for.", perPurpose, traffic(func(f control.Flow) uint64 { return f.SentDatagrams })},
	{"lwm2m_agent_server_exchanges_received_total", Counter, "Datagrams from the server, by what they are for.", perPurpose, traffic(func(f control.Flow) uint64 { return f.ReceivedDatagrams })},
	{"lwm2m_agent_server_observations", Gauge, "What the server observes.", perServer, servers(func(s *control.Server) float64 { return float64(s.Observations) })},
	{"lwm2m_agent_server_notifications_stored", Gauge, "Notifications that wait for the server.", perServer, servers(func(s *control.Server) float64 { return float64(s.Queued) })},
	{"lwm2m_agent_server_notifications_dropped_total", Counter, "Notifications that found no room while they waited.", perServer, servers(func(s *control.Server) float64 { return float64(s.Dropped) })},
	{"lwm2m_agent_sensor_readings_total", Counter, "Readings of a channel, failed ones too.", perChannel, channels(func(c *Channel) uint64 { return c.Readings })},
	{"lwm2m_agent_sensor_failures_total", Counter, "Readings of a channel that gave no value.", perChannel, channels(func(c *Channel) uint64 { return c.Failures })},
	{"lwm2m_agent_troubles", Gauge, "What is wrong now, by the codes of troubleshooting.md; a code that is not there is no trouble.", []string{"code", "severity"}, troubles},
	{"lwm2m_agent_firmware_state", Gauge, "1, with the state of object 5: `idle`, `downloading`, `downloaded`, `updating`. Only with `[firmware]`.", []string{"state"}, firmwareState},
	{"lwm2m_agent_firmware_result", Gauge, "Update Result of object 5. Only with `[firmware]`.", nil, firmwareResult},
	{"lwm2m_agent_modem_state", Gauge, "1, with the state of the modem: `ready`, `missing`, `silent`, `asleep`.", []string{"modem", "state"}, modemState},
	{"lwm2m_agent_modem_signal_dbm", Gauge, "RSRP of the modem, or RSSI where there is none.", []string{"modem"}, modemSignal},
	{"process_resident_memory_bytes", Gauge, "Memory of the process.", nil, func(s *Snapshot, say say) { say(float64(s.Process.ResidentBytes)) }},
	{"go_heap_objects_bytes", Gauge, "Memory in use by objects of the program.", nil, func(s *Snapshot, say say) { say(float64(s.Process.HeapBytes)) }},
	{"go_goroutines", Gauge, "Goroutines.", nil, func(s *Snapshot, say say) { say(float64(s.Process.Goroutines)) }},
}

var (
	perServer  = []string{"server"}
	perPurpose = []string{"server", "purpose"}
	perChannel = []string{"sensor", "channel"}
)

func id(s *control.Server) string { return strconv.Itoa(int(s.ShortServerID)) }

// seconds returns a time as Unix time.
func seconds(t time.Time) float64 { return float64(t.UnixMilli()) / 1000 }

// servers tells one number of each account.
func servers(number func(*control.Server) float64) func(*Snapshot, say) {
	return func(s *Snapshot, say say) {
		for i := range s.Status.Servers {
			say(number(&s.Status.Servers[i]), id(&s.Status.Servers[i]))
		}
	}
}

// registered goes by the states in which a server knows the agent.
func registered(s *control.Server) float64 {
	switch s.State {
	case "registered", "updating", "asleep":
		return 1
	}
	return 0
}

// traffic tells one number of each purpose, that of the bootstrap server with its name.
func traffic(number func(control.Flow) uint64) func(*Snapshot, say) {
	return func(s *Snapshot, say say) {
		tell := func(server string, list []control.Traffic) {
			for i := range list {
				say(float64(number(list[i].Total)), server, list[i].Purpose)
			}
		}
		for i := range s.Status.Servers {
			tell(id(&s.Status.Servers[i]), s.Status.Servers[i].Traffic)
		}
		if s.Status.Bootstrap != nil {
			tell("bootstrap", s.Status.Bootstrap.Traffic)
		}
	}
}

func channels(number func(*Channel) uint64) func(*Snapshot, say) {
	return func(s *Snapshot, say say) {
		for i := range s.Channels {
			say(float64(number(&s.Channels[i])), s.Channels[i].Sensor, s.Channels[i].Name)
		}
	}
}

// troubles tells how many there are of each code: the list is sorted by severity, not by code.
func troubles(s *Snapshot, say say) {
	count, order := make(map[[2]string]int), [][2]string{}
	for i := range s.Troubles {
		key := [2]string{s.Troubles[i].Code, s.Troubles[i].Severity}
		if count[key]++; count[key] == 1 {
			order = append(order, key)
		}
	}
	for _, key := range order {
		say(float64(count[key]), key[0], key[1])
	}
}

func firmwareState(s *Snapshot, say say) {
	if s.Status.Firmware != nil {
		say(1, s.Status.Firmware.State)
	}
}

func firmwareResult(s *Snapshot, say say) {
	if s.Status.Firmware != nil {
		say(float64(s.Status.Firmware.Result))
	}
}

func modemState(s *Snapshot, say say) {
	for i := range s.Status.Modems {
		say(1, s.Status.Modems[i].Name, s.Status.Modems[i].State)
	}
}

func modemSignal(s *Snapshot, say say) {
	for i := range s.Status.Modems {
		if m := &s.Status.Modems[i]; m.Signal != nil {
			say(float64(*m.Signal), m.Name)
		}
	}
}
