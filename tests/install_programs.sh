#!/bin/sh
# Install what some tests drive and Python's packages do not bring: HAProxy and nginx
# (tests/api/test_proxies.py), PgBouncer, Redis, Patroni and etcd (tests/cluster), Chromium and fonts for the
# scripts of the world (tests/browser). Needs root and apt-get; without them, or without a network, these tests are skipped,
# and say so. Debian is kept from starting the servers.
PATH="$PATH:/usr/sbin"
missing=""
command -v haproxy > /dev/null || missing="$missing haproxy"
command -v nginx > /dev/null || missing="$missing nginx"
command -v pgbouncer > /dev/null || missing="$missing pgbouncer"
command -v redis-server > /dev/null || missing="$missing redis-server"
command -v patroni > /dev/null || missing="$missing patroni"
command -v etcd > /dev/null || missing="$missing etcd-server"
command -v chromium > /dev/null || missing="$missing chromium fonts-liberation fonts-noto-core fonts-noto-cjk"
[ -z "$missing" ] && exit 0
if [ "$(id -u)" = 0 ] && command -v apt-get > /dev/null; then
  policy=/usr/sbin/policy-rc.d
  if [ ! -e "$policy" ]; then
    printf '#!/bin/sh\nexit 101\n' > "$policy"
    chmod +x "$policy"
    trap 'rm -f "$policy"' EXIT
  fi
  export DEBIAN_FRONTEND=noninteractive
  install="apt-get install -qq --no-install-recommends -o Acquire::Retries=1 -o Acquire::http::Timeout=15 $missing"
  $install > /dev/null 2>&1 && exit 0
  apt-get update -qq > /dev/null 2>&1
  $install > /dev/null 2>&1 && exit 0
fi
echo "Not installed (that needs root and apt-get):$missing. The tests that need them are skipped."
