#!/bin/sh
# ubus call network.interface.NAME up|down: what netifd does on OpenWrt for an interface of the protocol "3g".
echo "UBUS $*" >/dev/console
echo "$3" >/run/wwan # asked for last
case $3 in
  down)
    kill "$(cat /run/pppd.pid)" 2>/dev/null # it may have ended
    while grep -q pppd "/proc/$(cat /run/pppd.pid)/cmdline" 2>/dev/null; do usleep 50000; done
    ;;
  up)
    pppd /dev/ttyS3 115200 nodetach noauth noipdefault defaultroute lcp-echo-interval 1 lcp-echo-failure 3 \
      connect "chat -f /etc/ppp/chat" </dev/null >/dev/console 2>&1 &
    echo $! >/run/pppd.pid
    ;;
esac
