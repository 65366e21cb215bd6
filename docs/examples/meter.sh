#!/bin/sh
# A meter as an application of lwm2m-agent, in shell: docs/applications.md explains it.
#
#   usage: meter.sh [NAME [SOCKET]]
#
# It publishes the power in object 3305 and lets servers reset its energy. Needs
# curl, and [[app]] in agent.toml with objects = [3305].
set -eu
name=${1:-meter-reader} socket=${2:-/run/lwm2m-agent/agent.sock}

# ask METHOD ROUTE [BODY]: prints the answer; a refusal says why and fails.
ask() {
  curl --silent --show-error --no-buffer --fail-with-body --unix-socket "$socket" \
    --request "$1" "http://agent/v1/apps/$name$2" ${3:+--data "$3"}
}

# member KEY LINE: the text or number of a member of a line of JSON.
member() { printf '%s\n' "$2" | sed -n "s/.*\"$1\":\"\{0,1\}\([^\",}]*\).*/\1/p"; }

# serve: carries requests out, one a line, and answers them.
serve() {
  while read -r request; do
    printf '%s\n' "$request"
    id=$(member id "$request")
    case $(member op "$request")$(member path "$request") in
      execute/3305/0/5822)
        ask PATCH /values '{"/3305/0/5805": 0}'
        ask POST "/answers/$id" '{"ok": true}'
        ;;
      abort*) ;; # nothing to undo: a reset cannot be
      end) return ;;
      *) ask POST "/answers/$id" '{"error": "4.05", "message": "a meter only measures"}' ;;
    esac
  done
}

ask PUT "" '{"objects": [3305], "instances": {"/3305/0": {"5800": 1200, "5805": 40, "5822": null}}}'
ask GET /requests | serve
