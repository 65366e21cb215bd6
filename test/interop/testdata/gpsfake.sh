#!/bin/bash
# gpsfake.sh DIR: unpacks Debian's gpsfake and the Python modules that it consists of in DIR, installing nothing: gpsd-clients depends on
# matplotlib and GTK for other programs of it. It asks this machine's own sources, with an apt state of its own.
set -euo pipefail
dir=$(realpath "$1")
apt=$(mktemp -d)
trap 'rm -rf "$apt"' EXIT
cd "$apt"
mkdir -p lists/partial archives/partial
: >status
options=(-qq -o "Dir::State=$apt" -o "Dir::State::status=$apt/status" -o "Dir::Cache=$apt" -o APT::Sandbox::User=root -o Acquire::Retries=3 -o Acquire::Languages=none)
apt-get "${options[@]}" update || true # a source that fails need not be the one
apt-get "${options[@]}" download gpsd-clients python3-gps
for package in *.deb; do dpkg-deb -x "$package" "$dir"; done
mv "$dir"/usr/lib/*/libgpsdpacket.so* "$dir/usr/lib/python3/dist-packages/" # where its loader looks beside /usr/lib (gps/packet.py, importado)
