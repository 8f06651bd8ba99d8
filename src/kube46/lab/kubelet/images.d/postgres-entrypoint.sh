#!/bin/sh
# What the postgres image of a stand-alone kube46 cluster starts with: makes the database when there is none, from
# POSTGRES_{PASSWORD,USER,DB,INITDB_ARGS,HOST_AUTH_METHOD} (or the files that …_FILE names) and
# /docker-entrypoint-initdb.d, then runs the server. Source: the postgres image's documentation on Docker Hub.
set -eu

# file_value NAME DEFAULT: sets NAME from itself, else from the file that NAME_FILE names.
file_value() {
    eval "value=\${$1:-} file=\${$1_FILE:-}"
    if [ -n "$file" ]; then
        if [ -n "$value" ]; then echo "error: both $1 and $1_FILE are set: set one" >&2; exit 1; fi
        value=$(cat "$file")
    fi
    eval "$1=\${value:-\$2}"
}

case ${1:-} in -* | '') set -- postgres "$@" ;; esac
mkdir -p /run/postgresql
if [ "$1" != postgres ]; then exec "$@"; fi
if [ "$(id -u)" = 0 ]; then
    echo "error: PostgreSQL does not run as root: set securityContext.runAsUser, and fsGroup for its volume" >&2
    exit 1
fi
# initdb wants the user's name; a pod's user may have none on this machine.
if ! id -un >/dev/null 2>&1; then
    set +e
    wrapper=$(find /usr/lib -name libnss_wrapper.so 2>/dev/null | head -n 1)
    set -e
    if [ -z "$wrapper" ]; then
        echo "error: user $(id -u) has no name here, which PostgreSQL asks for: apt-get install libnss-wrapper," \
            "or set securityContext.runAsUser to one that has" >&2
        exit 1
    fi
    printf 'postgres:x:%s:%s::/:/bin/false\n' "$(id -u)" "$(id -g)" >/tmp/passwd
    printf 'postgres:x:%s:\n' "$(id -g)" >/tmp/group
    export LD_PRELOAD="$wrapper" NSS_WRAPPER_PASSWD=/tmp/passwd NSS_WRAPPER_GROUP=/tmp/group
fi

# A volume's mount point is rarely ours, as the server wants its directory to be: it gets one below.
if [ -d "$PGDATA" ] && [ ! -s "$PGDATA/PG_VERSION" ]; then export PGDATA="$PGDATA/pgdata"; fi
if [ ! -s "$PGDATA/PG_VERSION" ]; then
    file_value POSTGRES_PASSWORD ''
    file_value POSTGRES_USER postgres
    file_value POSTGRES_DB "$POSTGRES_USER"
    file_value POSTGRES_INITDB_ARGS ''
    method=${POSTGRES_HOST_AUTH_METHOD:-scram-sha-256}
    if [ -z "$POSTGRES_PASSWORD" ] && [ "$method" != trust ]; then
        echo "error: the database is not made yet and its superuser has no password: set POSTGRES_PASSWORD" \
            "(or POSTGRES_HOST_AUTH_METHOD=trust to let anybody in)" >&2
        exit 1
    fi
    # What a kill leaves half made must not count as made: the directory gets its name when all is done.
    making=$PGDATA.making
    rm -rf "$making" && mkdir -p -m 0700 "$making"
    printf '%s\n' "$POSTGRES_PASSWORD" >/tmp/pwfile
    if [ -n "$POSTGRES_PASSWORD" ]; then POSTGRES_INITDB_ARGS="--pwfile=/tmp/pwfile $POSTGRES_INITDB_ARGS"; fi
    eval "initdb --username=\"\$POSTGRES_USER\" $POSTGRES_INITDB_ARGS \"\$making\""
    rm /tmp/pwfile
    printf '\nhost all all all %s\n' "$method" >>"$making/pg_hba.conf"
    printf "\nlisten_addresses = '*'\n" >>"$making/postgresql.conf"
    printf "\nlisten_addresses = '*'\n" >>"$making/postgresql.conf"
    pg_ctl -D "$making" -w -o "-c listen_addresses=''" start
    run="psql -v ON_ERROR_STOP=1 --no-psqlrc --host /run/postgresql --username $POSTGRES_USER"
    if [ "$POSTGRES_DB" != postgres ]; then
        echo 'CREATE DATABASE :"db"' | $run --dbname postgres -v db="$POSTGRES_DB"
    fi
    for script in /docker-entrypoint-initdb.d/*; do
        case $script in
            *.sh) if [ -x "$script" ]; then "$script"; else . "$script"; fi ;;
            *.sql) $run --dbname "$POSTGRES_DB" -f "$script" ;;
            *.sql.gz) gunzip -c "$script" | $run --dbname "$POSTGRES_DB" ;;
        esac
    done
    pg_ctl -D "$making" -m fast -w stop
    mv -T "$making" "$PGDATA"
    echo "PostgreSQL init process complete; ready for start up."
fi
# A pod's fsGroup opens it to the group each time; the server wants it closed.
chmod 0700 "$PGDATA" 2>/dev/null || :
exec "$@"
