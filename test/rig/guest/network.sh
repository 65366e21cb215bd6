#!/bin/sh
# network HOST PORT NUMBER: what is behind the modem, in a network namespace that has nothing yet. It takes the interface eth0 from the machine,
# then serves one PPP connection after the other, over TCP to the modem at HOST and PORT. The first one has the address 10.0.2.NUMBER.
set -eu
nsenter -t 1 -n ip link set eth0 netns $$
ip link set lo up
ip link set eth0 up
ip addr add 10.0.2.15/24 dev eth0
sysctl -q -w net.ipv4.ip_forward=1
echo "NETWORK UP"
number=$3
while :; do
  pppd pty "nc $1 $2" nodetach silent noauth local nodefaultroute proxyarp "10.64.64.64:10.0.2.$number" || true
  number=$((number + 1))
done
