#!/bin/sh
# Builds lwm2m-agent as it ships: packaging/build.sh FILE [TAG...]
# GOARCH, GOARM and GOMIPS choose another machine; the tag "small" leaves out demo and embedded server. PROGRAM names another program,
# SYMBOLS=1 keeps symbols and debugging information, which change nothing else.
set -eu
[ $# -gt 0 ] || { sed -n '2,4s/^# //p' "$0" >&2; exit 2; }
cd "$(dirname "$0")/.." # FILE is named from where the caller stands
case $1 in /*) file=$1 ;; *) file=$OLDPWD/$1 ;; esac
shift

# HTTP/2, which net/http brings along, is of no use on a unix socket.
tags=nethttpomithttp2
for tag; do tags=$tags,$tag; done

strip='-s -w'
[ -z "${SYMBOLS:-}" ] || strip=

# The date of the commit, or of the sources: the agent knows that it cannot be earlier.
seconds=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct 2>/dev/null || date -r CHANGELOG.md +%s)}
built=$(date -u -d "@$seconds" +%Y-%m-%dT%H:%M:%SZ)

# Calls are inlined only where datagrams, records and values pass; elsewhere that costs 0.8 MB of flash and gains nothing that can be measured.
CGO_ENABLED=0 go build -trimpath -tags "$tags" -ldflags "$strip -X main.built=$built" \
  -gcflags all=-l -gcflags runtime= -gcflags 'internal/...=' -gcflags 'sync/...=' \
  -gcflags 'github.com/plgd-dev/go-coap/...=' -gcflags 'lwm2m-agent/lwm2m/...=' -gcflags lwm2m-agent/lwm2m/server=-l \
  -o "$file" "${PROGRAM:-./cmd/lwm2m-agent}"
