#!/bin/sh
# Starts the stand-in as a service that survives a reboot.
set -eu
systemctl --quiet enable --now "$(dirname "$0")/metadata_stand_in.service"
