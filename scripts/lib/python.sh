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
        "$python" -m pip download --disable-pip-version-check -q --only-binary :all: \
            -d "$into" -r "$requirements" >&2
        touch "$into/ready"
    fi
    printf '%s' "$into"
}

# Builds the wheel and runs pytest with these arguments.
test_python() {
    local package=$PWD/bindings/python python=${ATREST_TEST_PYTHON:-python3}
    local requirements=$package/tests/requirements.txt wheels wheel work status=0
    wheels=$(python_wheelhouse "$requirements" "$python")
    work=$(mktemp -d)
    wheel=$(scripts/wheel "$work")
    "$python" -m venv "$work/venv"
    PATH=$work/venv/bin "$work/venv/bin/pip" install --disable-pip-version-check -q --no-index \
        --find-links "$wheels" "$wheel" -r "$requirements" >&2
    # The package is the installed one: the source beside the tests has no native half.
    (cd "$package" && PATH=$work/venv/bin "$work/venv/bin/python" -m pytest -p no:cacheprovider "$@") \
        || status=$?
    rm -rf -- "$work"
    return "$status"
}
