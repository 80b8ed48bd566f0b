#!/bin/sh
# Makes the secrets of compose.yaml in deploy/secrets, once: what is there already stays.
#
# Containers read them as users of their own, so the files are readable and the folder is closed: nobody else on this
# machine gets as far as the files.
set -eu
cd "$(dirname "$0")"
mkdir -p secrets
chmod 0700 secrets
make() { # name, value
    if [ ! -e "secrets/$1" ]; then
        printf '%s\n' "$2" >"secrets/$1.new"
        chmod 0444 "secrets/$1.new"
        mv "secrets/$1.new" "secrets/$1"
        echo "made secrets/$1"
    fi
}
make postgres_password "$(openssl rand -hex 32)"
make farebox_password "$(openssl rand -hex 32)"
make FAREBOX_DATABASE_URL "postgresql://farebox:$(cat secrets/farebox_password)@postgres/farebox"
make FAREBOX_SECRET_KEY "$(openssl rand -hex 48)"
