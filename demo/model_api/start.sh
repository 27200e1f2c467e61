#!/bin/sh
# Gives the stand-in a certificate of a throw-away authority, and starts it as a service that survives a reboot.
set -eu
cd "$(dirname "$0")"
new='openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 30'
if [ ! -e server.pem ]; then
  # Python 3.13 refuses an authority that does not say that it signs certificates.
  $new -keyout ca.key -out ca.pem -subj '/CN=throw-away authority' -addext keyUsage=critical,keyCertSign
  $new -keyout server.key -out server.pem -subj /CN=api.test -addext subjectAltName=DNS:api.test \
    -addext basicConstraints=critical,CA:FALSE -CA ca.pem -CAkey ca.key
fi
systemctl --quiet enable --now "$PWD/model_api.service"
