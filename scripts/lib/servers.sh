# shellcheck shell=bash
# Starts private PostgreSQL, MariaDB, S3, Vault and AWS servers for the tests, and stops them.
#
# They listen on free loopback ports only, keep everything in one temporary
# folder, accept anyone on this machine without a password for as long as they
# run, and are as durable as in production (fsync on): tests kill servers.

servers=() # "pid signal", in the order they were started
folder=

# Prints a loopback port that was free a moment ago.
free_port() {
    python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'
}

# Whether something accepts on a loopback port.
listening() { (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }

# What a database's log says when it is ready; empty: an open port is enough.
ready='ready (to accept|for) connections'

# start NAME SIGNAL PORT COMMAND...: in the background, waits until it is ready.
# SIGNAL asks for a quick and orderly end. A server dies with this script, even
# when the script is killed; and Ctrl-C reaches the script only.
start() {
    local name=$1 signal=$2 port=$3 log=$folder/$1.log pid
    shift 3
    setsid setpriv --pdeathsig "$signal" "$@" >"$log" 2>&1 </dev/null &
    pid=$!
    for ((i = 0; i < 600; i++)); do
        if ! kill -0 "$pid" 2>/dev/null; then
            wait "$pid" || true
            return 1
        fi
        # An open port alone is not enough: PostgreSQL opens it before it is ready.
        if listening "$port" && { [[ -z $ready ]] || grep -Eq "$ready" "$log"; }; then
            servers+=("$pid $signal")
            return 0
        fi
        sleep 0.1
    done
    kill -KILL "$pid"
    return 1
}

# retry NAME COMMAND...: another process may have taken the port; thrice is enough.
retry() {
    local name=$1
    shift
    for _ in 1 2 3; do
        "$@" && return 0
    done
    cat -- "$folder/$name.log" >&2
    die "$name did not start; its log is above."
}

# PostgreSQL refuses to run as root: gives the words that put a command under
# another user, and that user's name in postgres_user.
as_postgres=()
choose_postgres_user() {
    ((EUID == 0)) || return 0
    postgres_user=nobody
    if id postgres >/dev/null 2>&1; then postgres_user=postgres; fi
    as_postgres=(--reuid "$postgres_user" --regid "$(id -g "$postgres_user")" --clear-groups)
}

# make_postgres NAME BIN: a new cluster.
make_postgres() {
    local data=$folder/$1
    mkdir -m 700 -- "$data"
    ((EUID != 0)) || chown "$postgres_user" "$data"
    (cd "$folder" && setpriv "${as_postgres[@]}" "$2/initdb" --pgdata="$data" --username=postgres \
        --auth=trust --encoding=UTF8 --locale=C.UTF-8 --no-sync) >"$folder/$1.log" 2>&1 \
        || { cat -- "$folder/$1.log" >&2; die "$2/initdb failed; its output is above."; }
}

# run_postgres NAME BIN: starts the cluster and sets port.
run_postgres() {
    port=$(free_port)
    start "$1" INT "$port" "${as_postgres[@]}" "$2/postgres" -D "$folder/$1" \
        -c listen_addresses=127.0.0.1 -c "port=$port" -c unix_socket_directories= \
        -c max_connections=200
}

# When root's cache is closed to the user PostgreSQL runs as, it runs from a copy.
readable_copy() {
    local bin=$1
    if setpriv "${as_postgres[@]}" test -x "$bin/postgres"; then
        printf '%s' "$bin"
    else
        cp -a -- "$(dirname -- "$bin")" "$folder/postgresql18-programs"
        printf '%s' "$folder/postgresql18-programs/bin"
    fi
}

make_mariadb() {
    local as=()
    ((EUID != 0)) || as=(--user=root)
    mariadb-install-db --no-defaults "${as[@]}" --datadir="$folder/mariadb" --skip-test-db \
        --auth-root-authentication-method=normal >"$folder/mariadb.log" 2>&1 \
        || { cat -- "$folder/mariadb.log" >&2; die "mariadb-install-db failed; its output is above."; }
}

# run_mariadb PROGRAM: starts it and sets port.
run_mariadb() {
    local as=()
    ((EUID != 0)) || as=(--user=root)
    port=$(free_port)
    start mariadb TERM "$port" "$1" --no-defaults "${as[@]}" --datadir="$folder/mariadb" --tmpdir="$folder" \
        --bind-address=127.0.0.1 --port="$port" --socket="$folder/mariadb.sock" \
        --pid-file="$folder/mariadb.pid" --max-allowed-packet=1G --max-connections=200 \
        --character-set-server=utf8mb4
}

# The S3 servers: one that checks signatures and conditions, one that keeps old
# versions (and ignores conditions where parts are put together), and one that
# ignores all conditions. Each has the bucket `atrest`, the key `key` and the
# secret `secret`. run_s3 sets port.
run_s3() {
    local ready=
    port=$(free_port)
    mkdir -p -- "$folder/$1/atrest"
    case $1 in
        s3) start "$1" TERM "$port" env RUST_LOG=warn "$s3s_fs" --host 127.0.0.1 --port "$port" \
            --access-key key --secret-key secret "$folder/$1" ;;
        s3-versioned) start "$1" TERM "$port" "$ATREST_PYTHON" -m moto.server -H 127.0.0.1 -p "$port" ;;
        s3-lax) start "$1" TERM "$port" "$(dirname -- "$ATREST_PYTHON")/rclone" serve s3 --config /dev/null \
            --addr "127.0.0.1:$port" --auth-key key,secret "$folder/$1" ;;
    esac
}

# OpenBao in memory, unsealed, with the token `atrest-root-token`; sets port.
run_vault() {
    local ready=
    port=$(free_port)
    # It keeps its token for later commands in HOME.
    start vault TERM "$port" env HOME="$folder" "$openbao" server -dev -dev-root-token-id=atrest-root-token \
        -dev-listen-address="127.0.0.1:$port"
}

# Moto, which speaks for Systems Manager, Secrets Manager and KMS, checks no
# signatures and gives every permission; sets port.
run_aws() {
    local ready=
    port=$(free_port)
    start aws TERM "$port" "$ATREST_PYTHON" -m moto.server -H 127.0.0.1 -p "$port"
}

# make_versioned_bucket URL
make_versioned_bucket() {
    AWS_EC2_METADATA_DISABLED=true "$ATREST_PYTHON" - "$1" <<'EOF'
import sys

import boto3

s3 = boto3.client(
    "s3", endpoint_url=sys.argv[1], region_name="us-east-1",
    aws_access_key_id="key", aws_secret_access_key="secret",
)
s3.create_bucket(Bucket="atrest")
s3.put_bucket_versioning(Bucket="atrest", VersioningConfiguration={"Status": "Enabled"})
EOF
}

# Starts what is not offered, and exports where everything is.
start_servers() {
    folder=$(mktemp -d "${TMPDIR:-/tmp}/atrest-test.XXXXXX")
    chmod 755 "$folder"
    choose_postgres_user
    local port
    ATREST_TEST_POSTGRES_BIN=${ATREST_TEST_POSTGRES_BIN:-$(newest_postgres_bin)}
    ATREST_TEST_POSTGRES18_BIN=$(readable_copy "${ATREST_TEST_POSTGRES18_BIN:-$ATREST_TEST_CACHE/$(postgres18_folder)/bin}")
    ATREST_TEST_MARIADB_BIN=${ATREST_TEST_MARIADB_BIN:-$(mariadbd_program)}
    if [[ -z ${ATREST_TEST_POSTGRES:-} ]]; then
        make_postgres postgresql "$ATREST_TEST_POSTGRES_BIN"
        retry postgresql run_postgres postgresql "$ATREST_TEST_POSTGRES_BIN"
        ATREST_TEST_POSTGRES=postgres://postgres@127.0.0.1:$port/postgres
    fi
    if [[ -z ${ATREST_TEST_POSTGRES18:-} ]]; then
        make_postgres postgresql18 "$ATREST_TEST_POSTGRES18_BIN"
        retry postgresql18 run_postgres postgresql18 "$ATREST_TEST_POSTGRES18_BIN"
        ATREST_TEST_POSTGRES18=postgres://postgres@127.0.0.1:$port/postgres
    fi
    if [[ -z ${ATREST_TEST_MARIADB:-} ]]; then
        make_mariadb
        retry mariadb run_mariadb "$ATREST_TEST_MARIADB_BIN"
        mariadb --no-defaults --host=127.0.0.1 --port="$port" --user=root \
            --execute='CREATE DATABASE atrest'
        ATREST_TEST_MARIADB=mysql://root@127.0.0.1:$port/atrest
    fi
    if [[ -z ${ATREST_TEST_S3:-} ]]; then
        retry s3 run_s3 s3
        ATREST_TEST_S3=http://key:secret@127.0.0.1:$port/atrest
    fi
    if [[ -z ${ATREST_TEST_S3_VERSIONED:-} ]]; then
        retry s3-versioned run_s3 s3-versioned
        make_versioned_bucket "http://127.0.0.1:$port"
        ATREST_TEST_S3_VERSIONED=http://key:secret@127.0.0.1:$port/atrest
    fi
    if [[ -z ${ATREST_TEST_S3_LAX:-} ]]; then
        retry s3-lax run_s3 s3-lax
        ATREST_TEST_S3_LAX=http://key:secret@127.0.0.1:$port/atrest
    fi
    if [[ -z ${ATREST_TEST_VAULT:-} ]]; then
        retry vault run_vault
        ATREST_TEST_VAULT=http://atrest-root-token@127.0.0.1:$port
    fi
    if [[ -z ${ATREST_TEST_AWS:-} ]]; then
        retry aws run_aws
        ATREST_TEST_AWS=http://127.0.0.1:$port
    fi
    export ATREST_TEST_POSTGRES ATREST_TEST_POSTGRES18 ATREST_TEST_MARIADB ATREST_PYTHON
    export ATREST_TEST_VAULT ATREST_TEST_AWS
    export ATREST_TEST_S3 ATREST_TEST_S3_VERSIONED ATREST_TEST_S3_LAX
    export ATREST_TEST_POSTGRES_BIN ATREST_TEST_POSTGRES18_BIN ATREST_TEST_MARIADB_BIN
}

# Ends exactly what was started here, and removes its folder.
stop_servers() {
    local server pid signal
    for server in "${servers[@]}"; do
        read -r pid signal <<<"$server"
        kill -s "$signal" "$pid" 2>/dev/null || true
    done
    for server in "${servers[@]}"; do
        wait "${server%% *}" 2>/dev/null || true
    done
    servers=()
    if [[ -n $folder ]]; then rm -rf -- "$folder"; fi
    folder=
}
