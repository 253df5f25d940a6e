#!/bin/sh
# Starts the daemon in a container as the user that was asked for, and asks it how it is.
set -eu

if [ "${1:-}" = health ]; then
    # A port, base path or certificate that is set in the file has to be set here too.
    scheme=http
    [ -z "${SOULMESH_WEB_CERTIFICATE:-}" ] || scheme=https
    base=${SOULMESH_WEB_URL_BASE:-}
    exec python3 -c "
import ssl, sys, urllib.request
# It is ourselves whom we ask: the certificate is for another name.
context = ssl._create_unverified_context()
try:
    with urllib.request.urlopen(sys.argv[1], timeout=8, context=context) as answer:
        sys.exit(answer.read() != b'Healthy')
except OSError as error:
    sys.exit(f'{sys.argv[1]}: {error}')
" "$scheme://127.0.0.1:${SOULMESH_WEB_PORT:-5030}${base%/}/health"
fi

if [ -n "${UMASK:-}" ]; then
    umask "$UMASK"
fi

# A configuration file that is named has to be there; the first start writes one that explains itself.
if [ -n "${SOULMESH_CONFIG:-}" ] && [ ! -e "$SOULMESH_CONFIG" ]; then
    mkdir -p "$(dirname "$SOULMESH_CONFIG")" 2>/dev/null || true
    if ! (: >> "$SOULMESH_CONFIG") 2>/dev/null; then
        echo "soulmesh: $SOULMESH_CONFIG cannot be written by $(id -u):$(id -g); see deploy/compose.yaml" >&2
        exit 1
    fi
    # Nothing half done is left: the next start would take an empty file for yours.
    soulmesh init --force --config "$SOULMESH_CONFIG" >/dev/null || { rm -f "$SOULMESH_CONFIG"; exit 1; }
fi

if [ "$(id -u)" != 0 ]; then
    if [ -n "${PUID:-}${PGID:-}" ]; then
        echo "soulmesh: give PUID and PGID, or --user, not both" >&2
        exit 1
    fi
    exec "$@"
fi

PUID=${PUID:-1000}
PGID=${PGID:-1000}
# Only what is ours, and not what lies in it: a large collection would take minutes.
mkdir -p /config/data /data/downloads
chown "$PUID:$PGID" /config /config/data /data/downloads
if [ -e "${SOULMESH_CONFIG:-}" ]; then
    chown "$PUID:$PGID" "$SOULMESH_CONFIG"
fi
exec gosu "$PUID:$PGID" "$@"
