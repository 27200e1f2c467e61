#!/bin/sh
# Makes a workspace image out of a Debian tree. Runs inside it, from build.py and from the Dockerfile alike.
set -eu
groupadd --gid 1000 appuser
useradd --uid 1000 --gid 1000 --create-home --shell /bin/bash appuser

# Volumes take owner and content from these on their first use.
python3 -m venv --system-site-packages /opt/venv
mkdir -p /workspace /run/proxy /run/ws
chown -R 1000:1000 /workspace /opt/venv

# Nothing in the image may raise privileges: no file is set-user-id or set-group-id.
find / -xdev -perm /6000 -type f -exec chmod a-s {} +

# Half of the tree's files would be what nothing here loads: the build tools that Debian's npm pulls in, and test suites.
(cd /usr/share/nodejs && rm -rf @types @babel @webassemblyjs async-es caniuse-lite core-js core-js-compat core-js-pure \
  es-abstract eslint eslint-* handlebars lodash-es neo-async regenerate-unicode-properties terser web-streams-polyfill \
  webassemblyjs webpack)
find /usr/lib/python3/dist-packages/numpy /usr/lib/python3/dist-packages/pandas -type d -name tests -prune -exec rm -rf {} +
npm --version >/dev/null
python3 -c 'import numpy, pandas'

rm -rf /var/lib/apt/lists/* /var/cache/apt/* /var/log/* /tmp/*
