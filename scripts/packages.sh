# Installs what scripts/packages.txt names; sourced after lib.sh.
# shellcheck shell=bash

# The names for one distribution: COLUMN (2 Debian .. 6 openSUSE), then the groups wanted.
package_names() {
    local column=$1
    shift
    awk -v column="$column" -v groups=" $* " \
        '!/^#/ && index(groups, " " $1 " ") && $column != "-" { gsub(/,/, "\n", $column); print $column }' \
        "$root/scripts/packages.txt"
}

missing_debian() {
    package_names 2 "$@" | sort -u >"$tmp_wanted"
    dpkg-query -W -f='${db:Status-Abbrev} ${Package}\n' 2>/dev/null | awk '$1 == "ii" { print $2 }' | sort -u |
        comm -13 - "$tmp_wanted"
}

as_root() {
    if [ "$(id -u)" = 0 ]; then
        "$@"
    elif command -v sudo >/dev/null; then
        sudo "$@"
    else
        die "run this once as root, or install sudo: $*"
    fi
}

install_debian() {
    local missing tmp_wanted
    tmp_wanted=$(mktemp)
    missing=$(missing_debian "$@" | tr '\n' ' ')
    rm -f "$tmp_wanted"
    [ -n "$missing" ] || return 0
    say "${0##*/}: installing $missing"
    apt_quiet update
    # shellcheck disable=SC2086
    apt_quiet install -y --no-install-recommends $missing
}

apt_quiet() {
    local log
    log=$(mktemp)
    if ! as_root env DEBIAN_FRONTEND=noninteractive apt-get -q "$@" >"$log" 2>&1; then
        tail -n 20 "$log" >&2
        rm -f "$log"
        die "apt-get $1 failed"
    fi
    rm -f "$log"
}

# On other distributions nothing is installed: the names are printed when a tool or library is not there.
check_others() {
    local what=()
    command -v meson >/dev/null && command -v ninja >/dev/null && command -v cc >/dev/null &&
        command -v pkg-config >/dev/null && python3 -m pip --version >/dev/null 2>&1 || what+=(tools)
    pkg-config --exists libcrypto jansson yaml-0.1 libisal libzstd libpq cmocka 2>/dev/null || what+=(libraries)
    [ ${#what[@]} -gt 0 ] || return 0
    say "${0##*/}: ${what[*]} are missing; install them with the line of your distribution and run this again:"
    say "  Fedora:    dnf install $(package_names 3 "$@" | tr '\n' ' ')"
    say "  Arch:      pacman -S --needed $(package_names 4 "$@" | tr '\n' ' ')"
    say "  Alpine:    apk add $(package_names 5 "$@" | tr '\n' ' ') (and gcompat: libduckdb is built for glibc)"
    say "  openSUSE:  zypper install $(package_names 6 "$@" | tr '\n' ' ')"
    exit 1
}

install_packages() { # GROUP...
    if command -v apt-get >/dev/null && command -v dpkg-query >/dev/null; then
        install_debian "$@"
    else
        check_others "$@"
    fi
}
