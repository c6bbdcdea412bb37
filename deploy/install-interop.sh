#!/bin/sh
# Installs the independent programs that the tests use: SCEP and ACME clients, a browser, fonts for names in any script. Debian, root;
# run again at will.
set -eu
if ! command -v apt-get >/dev/null 2>&1 || [ "$(id -u)" != 0 ]; then
    echo "The independent programs are Debian packages and need root: nothing was installed." >&2
    exit 1
fi
apt-get -qq update
DEBIAN_FRONTEND=noninteractive apt-get -qq install -y --no-install-recommends \
    scep strongswan-pki libstrongswan-extra-plugins certmonger python3-acme chromium fonts-dejavu-core fonts-noto-core \
    fonts-droid-fallback fonts-noto-color-emoji poppler-utils >/dev/null
echo "installed: scepclient, pki, scep-submit (certmonger), certbot's ACME library, chromium, pdftotext"
