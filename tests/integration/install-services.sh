#!/usr/bin/env bash
# Installs what the tests run against for real: a Java and Maven for Kafka, Prometheus, Alertmanager, Chromium; and what
# checks how it is deployed: systemd-analyze. (Debian's kubectl is too old to render the overlays.)
# Quick where all of it is there. Elsewhere it needs Debian (or its like) and root; without them it says what is
# missing and succeeds: the tests then skip what needs it, or fail with CI=true.
set -euo pipefail

missing=()
has() { command -v "$1" >/dev/null; }
has java || missing+=(default-jre-headless)
has mvn || missing+=(maven)
has prometheus || missing+=(prometheus)
has prometheus-alertmanager || has alertmanager || missing+=(prometheus-alertmanager)
has amtool || missing+=(prometheus-alertmanager)
has systemd-analyze || missing+=(systemd)
# What drives Chromium is a Node.js that Playwright brings, and that one needs this library.
[[ $(/sbin/ldconfig -p) == *libatomic.so.1* ]] || missing+=(libatomic1)
has chromium || has chromium-browser || has google-chrome || missing+=(chromium)
((${#missing[@]})) || exit 0

if ! has apt-get || ((EUID != 0)); then
  echo "not installed, for want of root on Debian: ${missing[*]}" >&2
  exit 0
fi

echo "installing for the tests: ${missing[*]}"
log=$(mktemp)
policy=/usr/sbin/policy-rc.d
ours=
cleanup() {
  rm -f "$log"
  [[ -z $ours ]] || rm -f "$policy"
}
trap cleanup EXIT

# The packages start daemons on fixed ports, which no test wants. This is how Debian's packages are told not to.
if [[ ! -e $policy ]]; then
  printf '#!/bin/sh\nexit 101\n' >"$policy"
  chmod 755 "$policy"
  ours=yes
fi

export DEBIAN_FRONTEND=noninteractive
quietly() { "$@" >>"$log" 2>&1; }
# Another apt may be at work in a machine's first minutes; for the lists, unlike for packages, apt does not wait itself.
# That a list could not be had is no failure yet: it may be of a source that has nothing to do with us.
for attempt in 1 2 3 4 5; do
  quietly apt-get update || true
  if quietly apt-get -o DPkg::Lock::Timeout=300 install --yes --no-install-recommends "${missing[@]}"; then
    exit 0
  fi
  echo "attempt $attempt failed" >>"$log"
  sleep 5
done
cat "$log" >&2
exit 1
