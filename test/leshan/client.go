package leshan

import (
	"encoding/hex"
	"fmt"
	"slices"
	"strconv"
	"time"

	"lwm2m-agent/lwm2m/model"
	"lwm2m-agent/test/process"
	"lwm2m-agent/test/workspace"
)

// ClientOptions are what Leshan's client is started with.
type ClientOptions struct {
	URI      string // of the server
	Endpoint string
	Identity string // of the pre-shared key; empty without security
	Key      []byte
	Lifetime time.Duration // 0: one hour
	Queue    bool
	Models   []model.Definition // 3303 among them gives it ten temperature sensors, 20 °C to 29 °C
	Measured bool               // leave the JVM its own settings; otherwise it is set to start fast and stay small
}

// JavaClient is a running Leshan client.
type JavaClient struct{ process *process.Process }

// StartClient starts Leshan's client, which registers by itself and is ended, without a de-registration, with the test.
func StartClient(t workspace.T, o ClientOptions) *JavaClient {
	t.Helper()
	arguments := append(program(t, "java", "LeshanClient"), "uri="+o.URI, "endpoint="+o.Endpoint)
	if o.Identity != "" {
		arguments = append(arguments, "identity="+o.Identity, "key="+hex.EncodeToString(o.Key))
	}
	if o.Lifetime != 0 {
		arguments = append(arguments, "lifetime="+strconv.Itoa(int(o.Lifetime.Seconds())))
	}
	if o.Queue {
		arguments = append(arguments, "queue=true")
	}
	if len(o.Models) > 0 {
		arguments = append(arguments, "models="+writeModels(t, o.Models))
	}
	if !o.Measured {
		arguments = append(slices.Clone(brief), arguments...)
	}
	return &JavaClient{launch(t, "client", arguments...)}
}

// AwaitRegistered waits until the client has registered, and returns its location: "/rd/abc".
func (c *JavaClient) AwaitRegistered(t workspace.T) string {
	t.Helper()
	return c.process.WaitPrefix(t, startTime, "REGISTERED ")
}

// PID is the number of the client's process.
func (c *JavaClient) PID() int { return c.process.PID() }

// Set sets the value of sensor 3303/INSTANCE.
func (c *JavaClient) Set(t workspace.T, instance int, celsius float64) {
	t.Helper()
	c.process.Write(t, fmt.Sprintf("set %d %g\n", instance, celsius))
}

// Send sends the value of sensor 3303/INSTANCE by the Send operation.
func (c *JavaClient) Send(t workspace.T, instance int) {
	t.Helper()
	c.process.Write(t, fmt.Sprintf("send %d\n", instance))
}

// Update makes the client send a registration Update.
func (c *JavaClient) Update(t workspace.T) {
	t.Helper()
	c.process.Write(t, "update\n")
}

// Stop de-registers the client and ends it.
func (c *JavaClient) Stop(t workspace.T) {
	t.Helper()
	c.process.CloseInput(t)
	c.process.Wait(t, startTime)
}
