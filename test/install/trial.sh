#!/bin/bash
# Runs in a Debian whose process 1 is systemd, as root: installs the agent's package and tries what an administrator does.
# Each line that it prints is "ok: WHAT" or "failed: WHAT". /root holds old.deb, new.deb and the server peer.
set -u

fail() { echo "failed: $1"; shift; for line in "$@"; do echo "    $line"; done; }
# hold WHAT COMMAND...: COMMAND must succeed.
hold() {
  local what=$1 out
  shift
  if out=$("$@" 2>&1); then echo "ok: $what"; else fail "$what" "$*: $out"; fi
}
# refuse WHAT COMMAND...: COMMAND must fail.
refuse() {
  local what=$1 out
  shift
  if out=$("$@" 2>&1); then fail "$what" "$*: $out"; else echo "ok: $what"; fi
}
# soon WHAT COMMAND...: COMMAND must succeed within three minutes.
soon() {
  local what=$1 out
  shift
  for _ in $(seq 900); do
    if out=$("$@" 2>&1); then echo "ok: $what"; return; fi
    sleep 0.2
  done
  fail "$what" "$*: $out"
}
said() { grep -qE "$1" /root/peer.log; }
installs() { DEBIAN_FRONTEND=noninteractive apt-get -o APT::Sandbox::User=root install -y "$1"; }
# times MATCH: how often the server has said so.
times() { grep -cE "$1" /root/peer.log; }
reads_on() { [ "$(times '^read /3/0/0: \[.*<nil>$')" -gt "$1" ]; }
reads_securely() { [ "$(times '^read /3/0/0 secure: \[.*<nil>$')" -gt "$1" ]; }
registers_securely() { [ "$(times '^registered .* secure$')" -gt "$1" ]; }
deregisters_securely() { [ "$(times '^deregistered .* secure$')" -gt "$1" ]; }
ended() { journalctl -q -o cat -u lwm2m-agent | grep '^ending ' | tail -n 1 | grep -q "restart=$1"; }
# reloads: how often the agent has taken its configuration over anew.
reloads() { journalctl -q -o cat -u lwm2m-agent | grep -c '^configuration read anew'; }
reloaded() { [ "$(reloads)" -gt "$1" ]; }
pid() { systemctl show -P MainPID lwm2m-agent; }
tried_again() { [ "$(systemctl show -P NRestarts lwm2m-agent)" -ge 1 ]; }
restarted() { [ "$(systemctl show -P NRestarts lwm2m-agent)" -ge 1 ] && systemctl is-active --quiet lwm2m-agent; }
absent() { local found; found=$(find / -xdev -name '*lwm2m-agent*' -not -path '/proc/*' -not -path '/root/*' -not -path '/var/log/*' -not -path '/sys/*' -not -path '/var/lib/dpkg/info/*' 2>/dev/null); echo "$found"; [ -z "$found" ]; }
exposed() { systemd-analyze security --no-pager --threshold=20 "$1"; }
failed_often() { [ "$(systemctl show -P NRestarts lwm2m-agent-helper)" -ge 7 ]; }
# ask USER: asks the root helper for something, as a user.
# shellcheck disable=SC2016 # the program is in Perl
ask() {
  runuser -u "$1" -- perl -MIO::Socket::UNIX -e 'my $s = IO::Socket::UNIX->new(Peer => "/run/lwm2m-agent/helper.sock") or die "$!\n";
    $s->print("{\"verb\":\"led\",\"led\":{\"name\":\"lamp\",\"attribute\":\"brightness\",\"value\":\"05\"}}\n"); my $a = <$s>; print $a; exit($a =~ /error/ ? 1 : 0)'
}
quiet() { local lines; lines=$(journalctl -q -p warning -u lwm2m-agent | grep -v "server-missing\|firmware update\|firmware-failed\|firmware-unusable\|watchdog\|Watchdog\|signal ABRT\|core-dump\|Killing process\|Failed with result"); echo "$lines"; [ -z "$lines" ]; }
# logged MATCH...: whether the agent has registered, by the fields of the journal.
logged() { journalctl -q -o cat -u lwm2m-agent "$@" | grep '^registered short_server_id=101 '; }
# visited NAME: has somebody outside look at the page in a browser, and waits until it is done.
visited() {
  touch "/srv/outside/$1"
  for _ in $(seq 600); do
    [ ! -e "/srv/outside/$1.done" ] || return 0
    sleep 0.2
  done
  return 1
}
on() { lwm2m-agent read "$1" | tee /dev/stderr | grep -q true; }
# reaches USER NAME: whether a user can connect to a socket of the agent.
reaches() { runuser -u "$1" -- perl -MIO::Socket::UNIX -e "IO::Socket::UNIX->new(Peer => '/run/lwm2m-agent/local/$2.sock') or die qq(\$!\n)"; }
can_reboot() { [ "$(runuser -u lwm2m-agent -- busctl call org.freedesktop.login1 /org/freedesktop/login1 org.freedesktop.login1.Manager CanReboot)" = 's "yes"' ]; }

/root/peer >/root/peer.log 2>&1 &
useradd --create-home reader
useradd --create-home stranger

hold "install" installs /root/old.deb
hold "install again" installs /root/old.deb
usermod -aG lwm2m-agent reader
soon "the service is active without a server and without a network" systemctl is-active --quiet lwm2m-agent
hold "the socket is active" systemctl is-active --quiet lwm2m-agent.socket
hold "both are enabled" systemctl is-enabled --quiet lwm2m-agent.socket lwm2m-agent.service
hold "it does not run as root" test "$(stat -c %U "/proc/$(pid)")" = lwm2m-agent
hold "status for root" lwm2m-agent status
hold "status for a member of the group" runuser -u reader -- lwm2m-agent status
refuse "no status for strangers" runuser -u stranger -- lwm2m-agent status
refuse "no write for those who may only read" runuser -u reader -- lwm2m-agent write /3/0/14 +01:00
hold "write for root" lwm2m-agent write /3/0/14 +01:00
hold "the time zone of the system is set" lwm2m-agent write /3/0/15 Etc/GMT-2
hold "by timedated" test "$(readlink -f /etc/localtime)" = /usr/share/zoneinfo/Etc/GMT-2
hold "the unit is without mistakes" systemd-analyze verify --man=no /usr/lib/systemd/system/lwm2m-agent.service /usr/lib/systemd/system/lwm2m-agent.socket
hold "exposure of at most 2.0" exposed lwm2m-agent.service
hold "its memory is never swapped out" test "$(systemctl show -P MemorySwapMax lwm2m-agent)" = 0
hold "nor of its helper" exposed lwm2m-agent-helper.service
hold "the helper's units are without mistakes" systemd-analyze verify --man=no /usr/lib/systemd/system/lwm2m-agent-helper.service /usr/lib/systemd/system/lwm2m-agent-helper.socket
refuse "the helper does not run before somebody needs it" systemctl is-active --quiet lwm2m-agent-helper.service
hold "the agent may reboot" can_reboot
accompanies() { [ "$(stat -c '%U:%G %a' "$1")" = "root:root 644" ] && [ -s "$1" ]; }
hold "the manual page is there" accompanies /usr/share/man/man1/lwm2m-agent.1.gz
hold "and has the commands" sh -c 'zcat /usr/share/man/man1/lwm2m-agent.1.gz | grep -q "^.B lwm2m-agent status"'
hold "the completion is there" accompanies /usr/share/bash-completion/completions/lwm2m-agent
# shellcheck disable=SC2016 # for the other shell
hold "and completes commands and what follows them" bash -ec '. /usr/share/bash-completion/completions/lwm2m-agent; complete -p lwm2m-agent
  COMP_WORDS=(lwm2m-agent sta) COMP_CWORD=1; _lwm2m_agent; [ "${COMPREPLY[*]}" = status ]
  COMP_WORDS=(lwm2m-agent config ap) COMP_CWORD=2; _lwm2m_agent; [ "${COMPREPLY[*]}" = apply ]'
hold "the licences are there" accompanies /usr/share/doc/lwm2m-agent/copyright
hold "of what is linked in, too" grep -q go.etcd.io/bbolt /usr/share/doc/lwm2m-agent/copyright
hold "and the changes" accompanies /usr/share/doc/lwm2m-agent/changelog.gz
hold "the bill of materials is there" accompanies /usr/share/doc/lwm2m-agent/sbom.cdx.json
hold "in its form" grep -q '"bomFormat": *"CycloneDX"' /usr/share/doc/lwm2m-agent/sbom.cdx.json
refuse "strangers do not see the keys" runuser -u stranger -- ls /etc/lwm2m-agent/keys
refuse "strangers do not see the state" runuser -u stranger -- ls /var/lib/lwm2m-agent
hold "no port is open" test -z "$(ss -Htulnp 2>/dev/null | grep lwm2m-agent)"

hold "what docs/install.md tells to type" sh -e /root/first.sh
soon "makes a first connection" registers_securely 0
owned() { [ "$(stat -c '%U:%G %a' "$1")" = "$2" ]; }
hold "with a key for the agent and nobody else" owned /etc/lwm2m-agent/keys/gw-17.psk "root:lwm2m-agent-service 640"
refuse "nor for those who may read the status" runuser -u reader -- cat /etc/lwm2m-agent/keys/gw-17.psk
refuse "who read no configuration either" runuser -u reader -- cat /etc/lwm2m-agent/agent.d/50-server.toml
hold "what is made in its folders belongs to its group" owned /etc/lwm2m-agent/agent.d/50-server.toml "root:lwm2m-agent-service 644"
chmod 0600 /etc/lwm2m-agent/agent.d/50-server.toml
fails() { lwm2m-agent check | tee /dev/stderr | grep -qE "^FAILS +file +${1##*/} +$1$"; }
hold "check by root tells what only root can read" fails /etc/lwm2m-agent/agent.d/50-server.toml
refuse "and nothing else" fails /etc/lwm2m-agent/keys/gw-17.psk
chgrp root /etc/lwm2m-agent/keys/gw-17.psk
hold "keys too" fails /etc/lwm2m-agent/keys/gw-17.psk
chgrp lwm2m-agent /etc/lwm2m-agent/keys/gw-17.psk
hold "and those that are open to who may read the status" fails /etc/lwm2m-agent/keys/gw-17.psk
rm /etc/lwm2m-agent/agent.d/50-server.toml /etc/lwm2m-agent/keys/gw-17.psk
hold "restart without that server" systemctl restart lwm2m-agent

cat >/etc/lwm2m-agent/agent.d/50-server.toml <<'TOML'
[[server]]
short_server_id = 101
uri             = "coap://127.0.0.1:5683"
lifetime        = "5m"
TOML
hold "reload" systemctl reload lwm2m-agent
soon "the server sees the registration" said '^registered'
soon "and reads from it" said '^read /3/0/0: \['
soon "the journal has it under the server's number, and as a notice of the right weight" logged -p info..info LWM2M_SHORT_SERVER_ID=101
hold "check finds nothing wrong" runuser -u lwm2m-agent -- lwm2m-agent check

# A second server, whose key systemd hands over; its session outlives restarts.
echo 00112233445566778899aabbccddeeff >/root/gw-17.psk
chmod 0600 /root/gw-17.psk
mkdir -p /run/systemd/system/lwm2m-agent.service.d
printf '[Service]\nLoadCredential=gw-17.psk:/root/gw-17.psk\n' >/run/systemd/system/lwm2m-agent.service.d/key.conf
systemctl daemon-reload
printf '[[server]]\nshort_server_id = 102\nuri = "coaps://127.0.0.1:5684"\nlifetime = "5m"\nidentity = "gw-17"\nkey_file = "credential:gw-17.psk"\n' >/etc/lwm2m-agent/agent.d/55-secure.toml
chgrp lwm2m-agent-service /etc/lwm2m-agent/agent.d/55-secure.toml
registered=$(times '^registered .* secure$') read=$(times '^read /3/0/0 secure: \[.*<nil>$') ended=$(times '^deregistered .* secure$')
hold "restart with a credential" systemctl restart lwm2m-agent
soon "a server that knows the key sees the registration" registers_securely "$registered"
soon "and reads" reads_securely "$read"
refuse "the key is in no file of the agent" grep -rl --exclude=agent.toml 00112233445566778899aabbccddeeff /etc/lwm2m-agent /var/lib/lwm2m-agent
hold "check leaves the key to the service" runuser -u lwm2m-agent -- lwm2m-agent check
hold "restart once more" systemctl restart lwm2m-agent
soon "the server reads on" reads_securely "$(times '^read /3/0/0 secure')"
hold "without another registration" test "$(times '^registered .* secure$')" = $((registered + 1))
rm -r /etc/lwm2m-agent/agent.d/55-secure.toml /run/systemd/system/lwm2m-agent.service.d
systemctl daemon-reload
hold "reload without that server" systemctl reload lwm2m-agent
soon "whose registration ends" deregisters_securely "$ended"

# The page, as somebody sees it who forwards its socket to his own machine.
cp /root/peer /usr/local/bin/peer
printf '[metrics]\nlisten = "unix:/run/lwm2m-agent/local/metrics.sock"\n[page]\nlisten = "unix:/run/lwm2m-agent/local/page.sock"\n[[actuator]]\nname = "relay"\ndriver = "sim"\n' >/etc/lwm2m-agent/agent.d/60-page.toml
chgrp lwm2m-agent-service /etc/lwm2m-agent/agent.d/60-page.toml
hold "restart with a page" systemctl restart lwm2m-agent
soon "members of the group reach it" reaches reader page
refuse "strangers do not" reaches stranger page
hold "metrics are there as well" reaches reader metrics
refuse "for members of the group" reaches stranger metrics
hold "still no port is open" test -z "$(ss -Htulnp 2>/dev/null | grep lwm2m-agent)"
setpriv --reuid reader --regid reader --init-groups peer forward /srv/outside/page.sock /run/lwm2m-agent/local/page.sock &
forward=$!
hold "a browser sees the page, which changes nothing" visited shown
install -m 0640 -g lwm2m-agent-service /srv/outside/token /etc/lwm2m-agent/keys/page.token
printf '[page]\ntoken_file = "../keys/page.token"\nwrite = true\n' >/etc/lwm2m-agent/agent.d/61-token.toml
chgrp lwm2m-agent-service /etc/lwm2m-agent/agent.d/61-token.toml
refuse "those who may read do not see the token" runuser -u reader -- cat /etc/lwm2m-agent/keys/page.token
hold "restart with a token" systemctl restart lwm2m-agent
soon "the page is there" reaches reader page
hold "a browser with the token switches the relay" visited operated
hold "which is on now" on /3306/0/5850
refuse "the token is in no log" grep -rF "$(cat /srv/outside/token)" /var/log /run/log /root/peer.log
rm /etc/lwm2m-agent/agent.d/60-page.toml /etc/lwm2m-agent/agent.d/61-token.toml
hold "restart without the page" systemctl restart lwm2m-agent
kill "$forward"
wait "$forward"

# A modem at a serial port, which is a pseudo-terminal here.
says() { lwm2m-agent status | tee /dev/stderr | grep -q "$1"; }
/root/peer modem /root/modem.at >/root/modem.log &
modem=$!
soon "a modem is there" test -s /root/modem.log
printf '[[modem]]\nname = "wwan"\ndriver = "at"\nport = "%s"\n' "$(cat /root/modem.log)" >/etc/lwm2m-agent/agent.d/60-modem.toml
chgrp lwm2m-agent-service /etc/lwm2m-agent/agent.d/60-modem.toml
hold "restart with a modem" systemctl restart lwm2m-agent
soon "it is used by the service" says '^modem wwan, ready: Quectel BG95'
rm /etc/lwm2m-agent/agent.d/60-modem.toml
hold "restart without the modem" systemctl restart lwm2m-agent
kill "$modem"
wait "$modem"

# A modem that ModemManager has, on the bus of the system: what the agent may have it do, polkit lets it by the rule of the package.
mkdir -p /run/systemd/system/ModemManager.service.d
printf '[Unit]\nConditionVirtualization=\n[Service]\nExecStart=\nExecStart=/usr/sbin/ModemManager --test-no-suspend-resume --test-no-udev --test-enable\n' >/run/systemd/system/ModemManager.service.d/trial.conf
systemctl daemon-reload
/root/peer modem /root/managed.at trial-0 trial-1 >/root/managed.log &
modem=$!
soon "its ports are there" test -s /root/managed.log
hold "ModemManager starts" systemctl restart ModemManager
hold "and is told of it" busctl call org.freedesktop.ModemManager1 /org/freedesktop/ModemManager1 org.freedesktop.ModemManager1.Test SetProfile ssas lab generic 2 abstract:trial-0 abstract:trial-1
soon "it is switched on" mmcli -m any --enable
printf '[[modem]]\nname = "wwan"\ndriver = "modemmanager"\n' >/etc/lwm2m-agent/agent.d/60-modem.toml
chgrp lwm2m-agent-service /etc/lwm2m-agent/agent.d/60-modem.toml
hold "restart with ModemManager" systemctl restart lwm2m-agent
soon "the service has its modem" says '^modem wwan, ready: .*BG95.*home'
measured() { mmcli -m any --signal-get | tee /dev/stderr | grep -q 'rsrp: -97'; }
soon "and has had the signal measured" measured
refuse "which strangers may not" runuser -u stranger -- mmcli -m any --signal-setup=7
refuse "nor the agent what the rule does not name" runuser -u lwm2m-agent -- mmcli -m any --voice-create-call=number=112
rm /etc/lwm2m-agent/agent.d/60-modem.toml
hold "restart without ModemManager's modem" systemctl restart lwm2m-agent
systemctl stop ModemManager
kill "$modem"
wait "$modem"
rm -r /run/systemd/system/ModemManager.service.d
systemctl daemon-reload

# An LED as the kernel has it: root's, and below /sys.
mount -t tmpfs tmpfs /sys/class
mkdir -p /sys/class/leds/lamp
for file in max_brightness=10 brightness=7 trigger=none; do echo "${file#*=}" >"/sys/class/leds/lamp/${file%=*}"; done
printf '[[actuator]]\nname = "lamp"\ndriver = "led"\ndevice = "lamp"\nobject = 3311\n' >/etc/lwm2m-agent/agent.d/60-lamp.toml
chgrp lwm2m-agent-service /etc/lwm2m-agent/agent.d/60-lamp.toml
hold "restart with an LED" systemctl restart lwm2m-agent
soon "it is off, which the agent itself may not make it" grep -qx 0 /sys/class/leds/lamp/brightness
soon "and can be switched on" lwm2m-agent write /3311/0/5850 true
soon "by the helper" grep -qx 10 /sys/class/leds/lamp/brightness
hold "which runs now" systemctl is-active --quiet lwm2m-agent-helper.service
refuse "members of the group do not reach it" reaches reader ../helper
refuse "strangers do not reach it" ask stranger
hold "root may" ask root
hold "and it was done" grep -qx 05 /sys/class/leds/lamp/brightness
mkdir -p /run/systemd/system/lwm2m-agent-helper.service.d
printf '[Service]\nExecStart=\nExecStart=/bin/false\nRestartSec=100ms\n' >/run/systemd/system/lwm2m-agent-helper.service.d/fails.conf
systemctl daemon-reload
systemctl stop lwm2m-agent-helper.service 2>/dev/null # its socket stays
ask root >/dev/null 2>&1 &
asking=$!
soon "a helper that does not come up is started again and again" failed_often
rm -r /run/systemd/system/lwm2m-agent-helper.service.d
systemctl daemon-reload
wait "$asking"
hold "and does what it was asked for when it does" test $? = 0
rm /etc/lwm2m-agent/agent.d/60-lamp.toml
echo 7 >/sys/class/leds/lamp/brightness # a file keeps what stands behind the digits that are written
before=$(reloads)
hold "reload without the LED" systemctl reload lwm2m-agent
soon "which is left in its safe state" grep -qx 0 /sys/class/leds/lamp/brightness
soon "and left alone from then on" reloaded "$before"
umount /sys/class

# An update of the firmware, by an agent that may touch neither the slots nor the boot environment: both are files here, and which
# slot runs is said by a file in place of the kernel's command line. Somebody keeps the machine from the reboot, so that the update ends here.
mkdir -p /boot/slots /run/systemd/system/lwm2m-agent.service.d /run/systemd/system/lwm2m-agent-helper.service.d
for slot in A B; do head -c 64M /dev/zero | tr '\0' "$slot" >"/boot/slots/$slot.img"; done
printf 'lwm2m.slot=A\n' >/root/cmdline
printf '[Service]\nBindReadOnlyPaths=/root/cmdline:/proc/cmdline\n' | tee /run/systemd/system/lwm2m-agent.service.d/slot.conf >/run/systemd/system/lwm2m-agent-helper.service.d/slot.conf
systemctl daemon-reload
systemctl stop lwm2m-agent-helper.service 2>/dev/null
printf '/boot/env0 0x0 0x4000\n/boot/env1 0x0 0x4000\n' >/etc/fw_env.config
head -c 16K /dev/zero | tee /boot/env0 >/boot/env1
printf 'BOOT_ORDER=A B\nBOOT_A_LEFT=3\nBOOT_B_LEFT=3\n' >/root/env
hold "a boot environment" fw_setenv -f /root/env -s /root/env
install -m 0640 -g lwm2m-agent-service /root/vendor.pub /etc/lwm2m-agent/vendor.pub
firmware() { printf '[firmware]\nbackend = "uboot"\ndownload = "/srv/firmware"\nkeys = ["../vendor.pub"]\ncompatible = "lab"\n'; for slot in A B; do printf '[[firmware.slot]]\nname = "%s"\ndevices = ["rootfs=/boot/slots/%s.img"]\n' "$slot" "$slot"; done; }
firmware >/etc/lwm2m-agent/agent.d/60-firmware.toml
chgrp lwm2m-agent-service /etc/lwm2m-agent/agent.d/60-firmware.toml
install -d -m 0700 -o lwm2m-agent -g lwm2m-agent /srv/firmware
hold "restart with slots" systemctl restart lwm2m-agent
soon "a folder for packages that the service may not write to is told" sh -c 'lwm2m-agent status -json | grep "no package can be put into /srv/firmware.*: read-only file system"'
printf '[Service]\nReadWritePaths=/srv/firmware\n' >/run/systemd/system/lwm2m-agent.service.d/download.conf
systemctl daemon-reload
hold "restart with that folder opened to it" systemctl restart lwm2m-agent
slot() { lwm2m-agent firmware status | tee /dev/stderr | grep -qE "$1"; }
phase() { lwm2m-agent status | tee /dev/stderr | grep -qE "^firmware: $1"; }
boots() { fw_printenv | tee /dev/stderr | grep -qx "$1"; }
wrote() { [ "$(head -c 3 /boot/slots/B.img)" = "$1" ]; }
release=$(sed -n 's/^VERSION_ID="\(.*\)"/\1/p' /etc/os-release)
soon "the agent knows its slots by the helper" slot "^A +yes +yes +$release"
refuse "which it may not write itself" runuser -u lwm2m-agent -- test -w /boot/slots/B.img
systemd-inhibit --what=shutdown --who=technician --why="looks at something" --mode=block sleep infinity &
technician=$!
busctl monitor org.freedesktop.login1 >/root/logind.log 2>/dev/null &
monitor=$!
hold "a package" lwm2m-agent firmware install /root/new.pkg
soon "is written, and the machine kept from the reboot" slot 'why: reboot: .*technician'
soon "so that the update is over" phase 'idle.*last result 8'
hold "the slot has it, by the helper" wrote new
hold "and was made the one that boots, and forbidden again" boots 'BOOT_ORDER=A'
# The package of the agent is installed anew while the helper, which stands still for it, writes a slot.
hold "the package once more" lwm2m-agent firmware install /root/new.pkg
for _ in $(seq 500); do phase installing >/dev/null 2>&1 && break; done
helper=$(systemctl show -P MainPID lwm2m-agent-helper)
hold "a helper that is told to end alone, without what it runs" test "$(systemctl show -P KillMode lwm2m-agent-helper)" = mixed
kill -STOP "$helper"
hold "is being written" phase installing
hold "while the agent's own package is installed again, for which systemd tells the helper to end, and has it go on" dpkg -i /root/old.deb
soon "and the slot is written to its end" slot 'why: reboot: .*technician'
soon "the helper has ended then" test ! -e "/proc/$helper"
kill "$monitor" "$technician"
wait "$monitor" "$technician"
hold "logind was asked to let nobody shut the machine down" grep -q 'firmware 14 is being written to slot B' /root/logind.log
hold "which it granted: nobody else asks for this one" grep -q '"shutdown:sleep"' /root/logind.log
refuse "and does no more" sh -c 'systemd-inhibit --list --no-legend | grep lwm2m-agent'
hold "a stranger's package" lwm2m-agent firmware install /root/foreign.pkg
soon "is not taken" phase 'idle.*last result 5'
hold "and the slot stays as it is" wrote new
# tell USER REQUEST: asks the root helper, as a user.
# shellcheck disable=SC2016 # the program is in Perl
tell() {
  runuser -u "$1" -- perl -MIO::Socket::UNIX -e 'my $s = IO::Socket::UNIX->new(Peer => "/run/lwm2m-agent/helper.sock") or die "$!\n"; $s->print("$ARGV[0]\n"); my $a = <$s>; print $a; exit($a =~ /error/ ? 1 : 0)' "$2"
}
hold "the agent's user may have the helper mark a slot" tell lwm2m-agent '{"verb":"mark-slot","slot":{"name":"A","good":true}}'
refuse "of that name only" tell lwm2m-agent '{"verb":"mark-slot","slot":{"name":"A_LEFT=9","good":true}}'
refuse "members of the group may not" tell reader '{"verb":"mark-slot","slot":{"name":"A","good":true}}'
chmod g+w /etc/lwm2m-agent/agent.d/60-firmware.toml
refuse "nor is anything done by a configuration that the agent could write" tell lwm2m-agent '{"verb":"slots"}'
rm -r /etc/lwm2m-agent/agent.d/60-firmware.toml /etc/lwm2m-agent/vendor.pub /run/systemd/system/lwm2m-agent.service.d /run/systemd/system/lwm2m-agent-helper.service.d /boot/slots /srv/firmware
systemctl daemon-reload
systemctl stop lwm2m-agent-helper.service 2>/dev/null
hold "restart without slots" systemctl restart lwm2m-agent

mkdir -p /run/systemd/system/lwm2m-agent.service.d
printf '[Service]\nWatchdogSec=2s\n' >/run/systemd/system/lwm2m-agent.service.d/trial.conf
systemctl daemon-reload
hold "restart" systemctl restart lwm2m-agent
soon "active again" systemctl is-active --quiet lwm2m-agent
kill -STOP "$(pid)"
soon "the watchdog starts what hangs anew" restarted
rm -r /run/systemd/system/lwm2m-agent.service.d
systemctl daemon-reload

before=$(pid) registered=$(times '^registered')
echo '# edited' >>/etc/lwm2m-agent/agent.toml
# As versions up to now had it, whose configuration and keys were of the group of those who may read.
mkdir /etc/lwm2m-agent/keys/more
touch /etc/lwm2m-agent/keys/more/former.psk /etc/lwm2m-agent/keys/meant.psk /root/elsewhere
ln -s /root/elsewhere /etc/lwm2m-agent/keys/link.psk
chgrp -h -R lwm2m-agent /etc/lwm2m-agent /root/elsewhere
chmod 0640 /etc/lwm2m-agent/keys/more/former.psk /etc/lwm2m-agent/keys/meant.psk
dpkg-statoverride --add root lwm2m-agent 0640 /etc/lwm2m-agent/keys/meant.psk
gpasswd -d lwm2m-agent lwm2m-agent-service >/dev/null
hold "upgrade" installs /root/new.deb
soon "active after the upgrade" systemctl is-active --quiet lwm2m-agent
hold "the new program runs" test "$(pid)" != "$before"
hold "the old one knew that it was restarted, so that outputs stay" ended true
soon "the server goes on reading" reads_on "$(times '^read /3/0/0: ')"
hold "no read was in vain" test "$(times '^read /3/0/0: .*[^>]$')" = 0
hold "and no registration was made anew" test "$(times '^registered')" = "$registered"
hold "keys and configuration belong to the service's group now" owned /etc/lwm2m-agent/keys/more/former.psk "root:lwm2m-agent-service 640"
hold "folders too" owned /etc/lwm2m-agent/agent.d "root:lwm2m-agent-service 2750"
hold "what the administrator has otherwise stays" owned /etc/lwm2m-agent/keys/meant.psk "root:lwm2m-agent 640"
hold "and what a link leads to" owned /root/elsewhere "root:lwm2m-agent 644"
hold "the agent reads them" runuser -u lwm2m-agent -- cat /etc/lwm2m-agent/keys/more/former.psk
dpkg-statoverride --remove /etc/lwm2m-agent/keys/meant.psk
before=$(pid)
hold "the same version once more" dpkg -i /root/new.deb
hold "does not restart what runs" test "$(pid)" = "$before"
hold "the administrator's edit stays" grep -q '# edited' /etc/lwm2m-agent/agent.toml
soon "the state stays" lwm2m-agent read /3/0/14
hold "nothing is refused to it, nothing warned of" quiet
refuse "up to now no registration has ended" said '^deregistered [^ ]*$'
hold "the definition of object 26241 is there" grep -q '<Name>Gateway Configuration</Name>' /usr/share/lwm2m-agent/objects/26241.xml
hold "the definition of object 26242 is there" grep -q '<Name>Gateway Traffic</Name>' /usr/share/lwm2m-agent/objects/26242.xml
hold "the definition of object 26243 is there" grep -q '<Name>Gateway Update Progress</Name>' /usr/share/lwm2m-agent/objects/26243.xml
hold "the definition of object 26244 is there" grep -q '<Name>Gateway Health</Name>' /usr/share/lwm2m-agent/objects/26244.xml

hold "stop" systemctl stop lwm2m-agent
hold "outputs take their safe states then" ended false
hold "start" systemctl start lwm2m-agent
soon "active" systemctl is-active --quiet lwm2m-agent

# A disk that is full at the first start.
mkdir -p /full /run/systemd/system/lwm2m-agent.service.d
mount -t tmpfs -o size=64k tmpfs /full
touch /full/agent.toml
chown -R lwm2m-agent /full
head -c 128K /dev/zero >/full/fill 2>/dev/null
printf '[Service]\nExecStart=\nExecStart=/usr/bin/lwm2m-agent run -config /full/agent.toml -state /full/state\nReadWritePaths=/full\n' >/run/systemd/system/lwm2m-agent.service.d/full.conf
systemctl daemon-reload
refuse "no start on a full disk" systemctl restart lwm2m-agent
soon "the journal says what to do" sh -c 'journalctl -q -o cat -u lwm2m-agent | grep "make room there"'
soon "it is tried again" tried_again
rm /full/fill
soon "and comes up by itself when there is room" lwm2m-agent status
rm -r /run/systemd/system/lwm2m-agent.service.d
systemctl daemon-reload
hold "back to its own disk" systemctl restart lwm2m-agent
umount /full

hold "removal" dpkg -r lwm2m-agent
soon "its registration has ended" said '^deregistered [^ ]*$'
refuse "the program is gone" test -e /usr/bin/lwm2m-agent
refuse "the service is gone" systemctl is-active --quiet lwm2m-agent
refuse "and its helper" systemctl is-active --quiet lwm2m-agent-helper.service lwm2m-agent-helper.socket
hold "configuration and state stay" test -e /etc/lwm2m-agent/agent.toml -a -e /var/lib/lwm2m-agent/state.db
hold "purge" dpkg -P lwm2m-agent
hold "nothing is left behind" absent
refuse "nor the user" getent passwd lwm2m-agent
refuse "nor the groups" sh -c 'getent group | grep lwm2m-agent'

