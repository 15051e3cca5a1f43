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

# Builds the wheel (ATREST_WHEEL names one that is there) and runs pytest, beside what a file
# of requirements names, with the arguments behind that.
python_suite() {
    local package=$PWD/bindings/python python=${ATREST_TEST_PYTHON:-python3}
    local requirements=$1 wheels wheel work status=0
    wheels=$(python_wheelhouse "$requirements" "$python")
    work=$(mktemp -d)
    wheel=${ATREST_WHEEL:-$(scripts/wheel "$work")}
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
    python_suite bindings/python/tests/requirements.txt "$@"
}

# The SQLAlchemy type, and `atrest adopt` with the packages whose tokens it takes over.
test_sqlalchemy() {
    build_atrest
    python_suite bindings/python/tests/requirements-sqlalchemy.txt tests/sqlalchemy "$@"
}

# The tests of atrest.django on the oldest Django and the newest, each on the oldest or newest
# Python at hand that it runs on.
test_pythons() {
    local django python requirements=$PWD/bindings/python/tests/requirements.txt of status=0
    build_atrest
    of=$(mktemp -d)
    ATREST_WHEEL=${ATREST_WHEEL:-$(scripts/wheel "$of")}
    export ATREST_WHEEL
    for django in 4.2.30 6.1.3; do
        case $django in
            4.*) python=$(pythons 3.10 3.11 3.12 | sed -n 1p) ;;
            *) python=$(pythons 3.12 3.13 3.14 | sed -n '$p') ;;
        esac
        if [[ -z $python ]]; then
            say "NOT TESTED: Django $django, for want of a Python that it runs on (pyenv install 3.10 3.13)"
            status=1
            continue
        fi
        say "Django $django on $("$python" --version)"
        sed "s/^Django==.*/Django==$django/" "$requirements" >"$of/requirements.txt"
        ATREST_TEST_PYTHON=$python python_suite "$of/requirements.txt" tests/django "$@" || status=$?
    done
    rm -rf -- "$of"
    return "$status"
}

# The Pythons of these versions that are at hand, by PATH or pyenv, in the order given.
pythons() {
    local version python
    for version in "$@"; do
        for python in "$(command -v "python$version" || true)" ~/.pyenv/versions/"$version".*/bin/python; do
            if [[ -x $python ]] && "$python" -c 'import sqlite3, ssl, venv' 2>/dev/null; then
                printf '%s\n' "$python"
                break
            fi
        done
    done
}
