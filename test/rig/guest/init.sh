#!/bin/busybox sh
# shellcheck shell=dash
# A guest's first process: loads the modules, brings up the network, then runs what comes over the serial port rig.shell.
export PATH=/bin:/usr/bin:/payload
/bin/busybox mkdir -p /proc /sys /dev /tmp /run /etc
/bin/busybox --install -s /bin
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev
mkdir -p /dev/pts
mount -t devpts pts /dev/pts
mount -t tmpfs tmp /tmp
mount -t tmpfs run /run
arguments=$(cat /proc/cmdline)
time=${arguments##*rig.time=}
date -s "@${time%% *}" >/dev/null
port=${arguments##*rig.shell=}
while read -r module; do insmod "/lib/modules/$module" 2>/dev/null; done </lib/modules/order
ip link set lo up
if ip link set eth0 up; then # QEMU's user network; 10.0.2.2 is the host's loopback
  ip addr add 10.0.2.15/24 dev eth0
  ip route add default via 10.0.2.2
else
  echo "RIG HAS NO NETWORK: has every module loaded?"
fi
# One command a line, in base64 after a number; the answer is "NUMBER STATUS LENGTH" and LENGTH bytes of output.
exec 4<>"/dev/${port%% *}" # held open: what arrives at a closed port is lost
stty raw -echo <&4
echo "RIG UP"
while read -r number command; do
  echo "$command" | base64 -d >/tmp/command
  sh /tmp/command >/tmp/output 2>&1 </dev/null
  echo "$number $? $(wc -c </tmp/output)"
  cat /tmp/output
done <&4 >&4
poweroff -f
