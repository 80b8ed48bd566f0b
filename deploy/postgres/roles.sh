#!/bin/sh
# Run by the image of PostgreSQL once, on an empty volume: the database, the role that owns it, which is no superuser, and
# the role that callers' statements run under.
set -eu
psql --set ON_ERROR_STOP=1 --username "${POSTGRES_USER:-postgres}" --dbname postgres <<'SQL'
\set password `cat "${FAREBOX_PASSWORD_FILE:-/run/secrets/farebox_password}"`
CREATE ROLE farebox LOGIN PASSWORD :'password';
CREATE ROLE farebox_tenant NOLOGIN;
GRANT farebox_tenant TO farebox;
CREATE DATABASE farebox OWNER farebox;
REVOKE ALL ON DATABASE farebox FROM PUBLIC;
SQL
