# shellcheck shell=bash
# The tests of the Python package (bindings/python/tests): on its wheel, installed into a
# clean virtual environment from wheels alone, with no compiler in the PATH.
#
# What they stand on comes from PyPI once, into the cache. ATREST_TEST_PYTHON is the
# Python to test with, where it is not python3.

# The folder with the wheels of tests/requirements.txt for this Python.
python_wheelhouse() {
    local requirements=$1 python=$2 into
    into=$ATREST_TEST_CACHE/wheelhouse-$({ "$python" --version && cat "$requirements"; } | cksum | cut -d' ' -f1)
    if [[ ! -e $into/ready ]]; then
        say "fetching what the Python tests stand on into $into (once)"
        rm -rf -- "$into"
        # Some old packages have no wheel on PyPI: theirs is made here, with what that takes.
        "$python" -m pip wheel --disable-pip-version-check -q --prefer-binary \
            -w "$into" -r "$requirements" >&2
        touch "$into/ready"
    fi
    printf '%s' "$into"
}

# Builds the wheel and runs pytest, beside what a file of tests/ names, with the arguments
# behind that.
python_suite() {
    local package=$PWD/bindings/python python=${ATREST_TEST_PYTHON:-python3}
    local requirements=$package/tests/$1 wheels wheel work status=0
    wheels=$(python_wheelhouse "$requirements" "$python")
    work=$(mktemp -d)
    wheel=$(scripts/wheel "$work")
    "$python" -m venv "$work/venv"
    PATH=$work/venv/bin "$work/venv/bin/pip" install --disable-pip-version-check -q --no-index \
        --find-links "$wheels" "$wheel" -r "$requirements" >&2
    # The package is the installed one: the source beside the tests has no native half.
    (cd "$package" && PATH=$work/venv/bin "$work/venv/bin/python" -m pytest -p no:cacheprovider "${@:2}") \
        || status=$?
    rm -rf -- "$work"
    return "$status"
}

# The command, which makes keyrings.
build_atrest() {
    cargo build -q --locked -p atrest-cli
    ATREST_BIN=${CARGO_TARGET_DIR:-$PWD/target}/debug/atrest
    export ATREST_BIN
}

test_python() {
    build_atrest
    python_suite requirements.txt "$@"
}

# The SQLAlchemy type, and `atrest adopt` with the packages whose tokens it takes over.
test_sqlalchemy() {
    build_atrest
    python_suite requirements-sqlalchemy.txt tests/sqlalchemy "$@"
}
