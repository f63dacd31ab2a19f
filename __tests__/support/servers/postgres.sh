#!/bin/sh
# Runs a PostgreSQL server: postgres.sh PROGRAM PORT FOLDER [OPTIONS]. It does not run as root, so that root becomes somebody else.
set -e
program=$(readlink -f "$1")
port=$2
folder=$3
shift 3
as=
if [ "$(id -u)" = 0 ]; then
  user=$(id -u postgres 2> /dev/null || id -u nobody)
  group=$(id -g postgres 2> /dev/null || id -g nobody)
  chown -R "$user:$group" "$folder"
  as="setpriv --reuid=$user --regid=$group --clear-groups"
fi
cd "$folder"
if [ ! -e data/PG_VERSION ]; then
  $as "$(dirname "$program")/initdb" --pgdata=data --username=tests --auth=trust --encoding=UTF8 --locale=C --no-sync
fi
exec $as "$program" -D data -p "$port" -h 127.0.0.1 -k "$folder" \
  -c max_connections=200 -c shared_buffers=32MB -c fsync=off -c full_page_writes=off "$@"
