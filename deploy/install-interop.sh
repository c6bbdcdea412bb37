#!/bin/sh
# Installs the independent programs that the tests use: SCEP and ACME clients, a browser, fonts for names in any script, a
# DNS resolver, a web proxy, a pooler of connections. Debian, root; run again at will.
set -eu
if ! command -v apt-get >/dev/null 2>&1 || [ "$(id -u)" != 0 ]; then
    echo "The independent programs are Debian packages and need root: nothing was installed." >&2
    exit 1
fi
# The resolver runs as a child of Cartable: what the packages would start by themselves stays off.
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
    printf '#!/bin/sh\nexit 101\n' >"$policy" && chmod 755 "$policy"
    trap 'rm -f "$policy"' EXIT
fi
apt-get -qq update
DEBIAN_FRONTEND=noninteractive apt-get -qq install -y --no-install-recommends \
    scep strongswan-pki libstrongswan-extra-plugins certmonger python3-acme chromium-headless-shell caddy pgbouncer fonts-dejavu-core fonts-noto-core \
    fonts-droid-fallback fonts-noto-color-emoji poppler-utils dnsdist unbound dns-root-data rsync >/dev/null
for service in dnsdist unbound caddy pgbouncer rsync; do
    if command -v systemctl >/dev/null 2>&1; then systemctl disable --quiet --now "$service" 2>/dev/null || true; fi
done
echo "installed: scepclient, pki, scep-submit (certmonger), certbot's ACME library, chromium-headless-shell, pdftotext, dnsdist, unbound, caddy, pgbouncer, rsync"
