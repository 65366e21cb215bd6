#!/bin/sh
# Runs in a folder with nothing but busybox and an unpacked OpenWrt package, as root: programs that OpenWrt brings are played, the
# package's own scripts and program are real. The scripts lie where opkg or apk puts them. Each line that it prints is "ok: WHAT" or "failed: WHAT".
mkdir -p /tmp /lib /etc/uci /proc /dev
mount -t proc proc /proc
ip link set lo up
echo 00112233445566778899aabbccddeeff >/etc/machine-id # the machine has no network interface with an address to be named by

running() { [ -n "$(readlink "/proc/$(cat /tmp/agent.pid 2>/dev/null)/exe")" ]; } # a zombie has none
# rc.common and procd: the instance's command runs in the background; what runs is not started again.
cat >/etc/rc.common <<'RC'
procd_open_instance() { command=; }
procd_set_param() { echo "$*" >>/tmp/procd; [ "$1" != command ] || { shift; command=$*; }; }
running() { [ -n "$(readlink "/proc/$(cat /tmp/agent.pid 2>/dev/null)/exe")" ]; } # a zombie has none
procd_close_instance() { running || { $command >/tmp/agent.log 2>&1 & echo $! >/tmp/agent.pid; }; }
procd_send_signal() { kill -"$3" "$(cat /tmp/agent.pid)"; }
procd_add_reload_trigger() { echo "trigger $*" >>/tmp/procd; }
. "$1"
case "$2" in
  start) start_service && service_triggers ;;
  reload) reload_service ;;
  stop) kill "$(cat /tmp/agent.pid)"; while running; do sleep 0.1; done ;;
  enable) ln -s "../init.d/${1##*/}" "/etc/rc.d/S$START${1##*/}" ;;
  disable) rm -f /etc/rc.d/*"${1##*/}" ;;
esac
RC
# uci: get, set and commit of sections.
cat >/bin/uci <<'UCI'
#!/bin/sh
[ "$1" != -q ] || shift
case "$1" in
  get) grep -q "^config .*'${2#*.}'" "/etc/config/${2%.*}" ;;
  set)
    path=${2%%=*} file=/etc/config/${2%%.*}
    case ${path#*.} in
      *.*) echo "	option ${path##*.} '${2#*=}'" >>"$file" ;; # of the last section, here
      *) echo "config ${2#*=} '${path#*.}'" >>"$file" ;;
    esac
    ;;
  commit) : ;;
  *) exit 1 ;;
esac
UCI
chmod +x /bin/uci
# functions.sh: of all that a package has, what its list names.
cat >/lib/functions.sh <<'FUNCTIONS'
listed() {
  [ -n "$pkgname" ] || pkgname=$(basename "${2%.*}")
  cat "/usr/lib/opkg/info/$pkgname.list" "/lib/apk/packages/$pkgname.list" 2>/dev/null | grep "^$1"
}
default_postinst() {
  for script in $(listed /etc/uci-defaults/ "$1"); do [ ! -e "$script" ] || { sh "$script" && rm "$script"; }; done
  mkdir -p /etc/rc.d
  for script in $(listed /etc/init.d/ "$1"); do [ "$PKG_UPGRADE" = 1 ] || "$script" enable; "$script" start; done
}
default_prerm() {
  for script in $(listed /etc/init.d/ "$1"); do [ "$PKG_UPGRADE" = 1 ] || "$script" disable; "$script" stop; done
}
FUNCTIONS
# What the package managers do with the scripts.
if [ -e /usr/lib/opkg/info/lwm2m-agent.postinst ]; then
  script=/usr/lib/opkg/info/lwm2m-agent
  installed() { "$script.postinst" configure; }
  upgraded() { PKG_UPGRADE=1 "$script.prerm" upgrade && PKG_UPGRADE=1 "$script.postinst" configure; }
  removed() { "$script.prerm" remove; }
else
  # apk runs scripts from memory: their names say nothing.
  script=$(ls /lib/apk/exec/*.post-install)
  script=${script%.post-install}
  installed() { /proc/self/fd/9 1.0.0 9<"$script.post-install"; }
  upgraded() { /proc/self/fd/9 1.0.1 1.0.0 9<"$script.post-upgrade"; }
  removed() { /proc/self/fd/9 1.0.0 9<"$script.pre-deinstall"; }
fi

hold() {
  what=$1
  shift
  if out=$("$@" 2>&1); then echo "ok: $what"; else echo "failed: $what: $*: $out"; fi
}
soon() {
  what=$1 left=300
  shift
  while [ $left -gt 0 ]; do
    if out=$("$@" 2>&1); then echo "ok: $what"; return; fi
    sleep 0.2
    left=$((left - 1))
  done
  echo "failed: $what: $*: $out: $(tail -5 /tmp/agent.log)"
}
on_ubus() { /usr/libexec/rpcd/lwm2m-agent call status | grep -q '"short_server_id": *101'; }
mode() { [ "$(stat -c %a "$1")" = "$2" ]; }
ended() { ! running; }
enabled() { test -L /etc/rc.d/S95lwm2m-agent; }

rm /etc/config/lwm2m-agent # as an image builder may have it
touch /etc/config/lwm2m-agent
hold "installation" installed
hold "uci-defaults made the section" uci get lwm2m-agent.agent
hold "and went" test ! -e /etc/uci-defaults/60-lwm2m-agent
hold "the service is enabled" enabled
hold "procd starts it anew without end" grep -q '^respawn 3600 5 0' /tmp/procd
hold "and reloads it when its configuration changes" grep -q '^trigger lwm2m-agent' /tmp/procd
soon "status" lwm2m-agent status
hold "the state lies where a reboot leaves it" test -e /etc/lwm2m-agent/state/state.db
hold "nobody else reads it" mode /etc/lwm2m-agent/state 700
hold "nor the keys" mode /etc/lwm2m-agent/keys 700
echo "127.0.0.1 lwm2m.example.com" >/etc/hosts
hold "what docs/install.md tells to type" sh -e /root/documented.sh
cat >>/etc/config/lwm2m-agent <<'CONFIG'

config sensor 'cold_room'
	option name 'cold room'
	option driver 'sim'
	option wave 'sine'
	option min '1'
	option max '5'
	option object '3303'
CONFIG
hold "check" lwm2m-agent check
hold "reload" /etc/init.d/lwm2m-agent reload
soon "ubus shows the server" on_ubus
soon "the sensor measures" lwm2m-agent read /3303/0/5700
# Paths of the list are left to the shell, as sysupgrade does.
# shellcheck disable=SC2046
keeps() { find $(cat /lib/upgrade/keep.d/lwm2m-agent) -type f 2>/dev/null | grep -qx "$1"; }
forgets() { [ -e "$1" ] && ! keeps "$1"; }
hold "a system upgrade keeps the state" keeps /etc/lwm2m-agent/state/state.db
for file in agent.d/50-own.toml objects/26300.xml store/own starts; do mkdir -p "/etc/lwm2m-agent/$(dirname $file)" && touch "/etc/lwm2m-agent/$file"; done
hold "and what else the administrator put there" keeps /etc/lwm2m-agent/agent.d/50-own.toml
hold "such as keys" keeps /etc/lwm2m-agent/keys/gw-17.psk
hold "and definitions of objects" keeps /etc/lwm2m-agent/objects/26300.xml
hold "whatever its name" keeps /etc/lwm2m-agent/store/own
hold "file or folder" keeps /etc/lwm2m-agent/starts
printf '[log]\nlevel = "debug"\n' >/tmp/candidate.toml
hold "a configuration on trial" lwm2m-agent config apply -no-wait /tmp/candidate.toml
hold "is kept" keeps /etc/lwm2m-agent/state/overlay.toml
hold "with the former one, so that it stays on trial" keeps /etc/lwm2m-agent/state/overlay.journal
hold "a system upgrade voids sessions" forgets /etc/lwm2m-agent/state/mark
before=$(cat /tmp/agent.pid)
hold "upgrade" upgraded
hold "the new program is started" test "$(cat /tmp/agent.pid)" != "$before"
soon "and works" on_ubus
hold "the service stays enabled" enabled
hold "removal" removed
soon "the agent has ended" ended
hold "and is not enabled any more" test ! -L /etc/rc.d/S95lwm2m-agent
umount /proc
