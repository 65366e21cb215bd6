#!/usr/bin/env python3
"""A meter as an application of lwm2m-agent: docs/applications.md explains it.

usage: meter.py [NAME [SOCKET]]

It owns object 3305 (Power Measurement) and 26300, which it defines itself. Needs
nothing but Python 3, and in agent.toml:

    [[app]]
    name    = "meter-reader"
    user    = "meter"
    objects = [3305, 26300]
"""

import http.client
import json
import socket
import sys
import threading
import time

POWER, ENERGY, RESET = "/3305/0/5800", "/3305/0/5805", "/3305/0/5822"
PRICE = "/26300/0/0"

TARIFF = {
    "id": 26300, "name": "Tariff",
    "resources": [
        {"id": 0, "name": "Price", "operations": "RW", "type": "Float", "mandatory": True, "range": "0..10", "unit": "EUR/kWh"},
    ],
}


class Agent(http.client.HTTPConnection):
    """A connection to the agent's control socket."""

    def __init__(self, name, path):
        super().__init__("agent")
        self.app, self.path = "/v1/apps/" + name, path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect(self.path)

    def ask(self, method, route, body=None):
        """Sends a request and returns the answer; a refusal is an OSError that says why."""
        self.request(method, self.app + route, body and json.dumps(body))
        answer = self.getresponse()
        if answer.status >= 400:
            raise OSError(json.load(answer)["message"])
        return answer


class Meter:
    """What is measured here: a steady 1200 W."""

    def __init__(self):
        self.energy, self.price = 0.0, 0.25

    def serve(self, request):
        """Carries a request out and returns the answer to it."""
        if request["op"] == "execute" and request["path"] == RESET:
            self.energy = 0.0
        elif request["op"] == "write" and request["path"] == PRICE:
            self.former, self.price = self.price, request["value"]
        elif request["op"] == "abort" and request["path"] == PRICE:
            self.price = self.former  # another object of the same write has refused
        else:
            return {"error": "4.05", "message": "a meter only measures"}
        return {"ok": True}


def publish(name, path, meter):
    """Publishes what is measured, every ten seconds."""
    agent = Agent(name, path)
    while True:
        meter.energy += 1200 * 10 / 3600
        agent.ask("PATCH", "/values", {POWER: 1200, ENERGY: {"value": meter.energy, "time": time.time()}}).read()
        time.sleep(10)


def main(name="meter-reader", path="/run/lwm2m-agent/agent.sock"):
    meter = Meter()
    Agent(name, path).ask("PUT", "", {
        "objects": [3305, TARIFF],
        "instances": {"/3305/0": {"5800": 1200, "5805": 0, "5822": None}, "/26300/0": {"0": meter.price}},
    })
    requests = Agent(name, path).ask("GET", "/requests")
    threading.Thread(target=publish, args=(name, path, meter), daemon=True).start()
    print("serving", flush=True)
    for line in requests:
        request = json.loads(line)
        print(request["op"], request.get("path"), request.get("value"), flush=True)
        if request["op"] == "end":
            sys.exit(request["message"])
        answer = meter.serve(request)
        if request["op"] != "abort":
            Agent(name, path).ask("POST", "/answers/%d" % request["id"], answer)
    sys.exit("the agent is gone; start again with it")


if __name__ == "__main__":
    main(*sys.argv[1:])
