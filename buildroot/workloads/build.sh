#!/usr/bin/env bash
# Builds the container images of docs/examples/shop.toml from Debian packages: build.sh CACHE. Run as root.
# Prints the OCI layout, CACHE/workloads-KEY, with tags `db`, `cache`, `app` and `front-1`, `front-2`,
# `front-bad` (a front that has nothing to serve). One base layer is common to all of them. KEY is that
# of everything here, so a second run does nothing. Mirrors are those of this machine's own apt.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
cache=$1
suite=trixie
key=$(cat "$here"/build.sh "$here"/*/* | sha256sum | cut -c1-12)
layout=$cache/workloads-$key

mkdir -p "$cache"
# Tests of several processes may ask at once; one builds.
exec 9>"$cache/workloads.lock"
flock 9
if [ -d "$layout" ]; then
    echo "$layout"
    exit
fi

work=$(mktemp -d "$cache/workloads.XXXXXX")
trap 'rm -rf "$work"' EXIT
new=$work/layout

mirror() {
    apt-get indextargets --format '$(REPO_URI)' "Origin: Debian" "Label: $1" | head -n 1
}
main=$(mirror Debian)
security=$(mirror Debian-Security)
[ -n "$main" ] || { echo "build.sh: this machine's apt has no Debian mirror: apt-get update" >&2; exit 1; }
sources="deb $main $suite main"
[ -z "$security" ] || sources+=$'\n'"deb $security $suite-security main"

# What no program of ours reads is not unpacked, and nothing is synced: a build that is cut short is
# thrown away.
slim=$work/slim
cat >"$slim" <<'END'
force-unsafe-io
path-exclude=/usr/share/doc/*
path-exclude=/usr/share/man/*
path-exclude=/usr/share/info/*
path-exclude=/usr/share/locale/*
path-exclude=/usr/share/i18n/*
path-exclude=/usr/lib/postgresql/*/lib/bitcode/*
END

# What differs on each build, or is the build machine's own.
forget() {
    rm -rf "$1"/var/lib/apt/lists/* "$1"/var/cache/apt/* "$1"/var/cache/debconf/*-old "$1"/var/log/* \
        "$1"/etc/apt/sources.list "$1"/etc/apt/apt.conf.d/99mmdebstrap "$1"/etc/resolv.conf \
        "$1"/var/cache/ldconfig "$1"/usr/sbin/policy-rc.d "$1"/tmp/*
}

# Installs packages into the root $1. What their scripts start ends with the namespace.
install_in() {
    local root=$1
    shift
    echo "$sources" >"$root/etc/apt/sources.list"
    printf '#!/bin/sh\nexit 101\n' >"$root/usr/sbin/policy-rc.d"
    chmod 755 "$root/usr/sbin/policy-rc.d"
    cp -r "$lists/." "$root/var/lib/apt/lists/"
    cp /etc/resolv.conf "$root/etc/resolv.conf"
    unshare --mount --pid --fork --mount-proc="$root/proc" chroot "$root" env DEBIAN_FRONTEND=noninteractive \
        apt-get install -qq -y --no-install-recommends -o APT::Sandbox::User=root \
        -o Dpkg::Options::=--force-confold "$@" >"$work/apt.log" 2>&1 ||
        { cat "$work/apt.log" >&2; exit 1; }
}

# The tag $2 is the tag $1 with packages, and with the command as it is in the rest.
image() {
    local from=$1 to=$2 user=$3 packages=$4 change=$5
    shift 5
    echo "building the image $to" >&2
    umoci unpack --image "$new:$from" "$work/$to"
    # No cluster is made by the package: the image's own program makes one on the volume.
    mkdir -p "$work/$to/rootfs/etc/postgresql-common"
    echo "create_main_cluster = false" >"$work/$to/rootfs/etc/postgresql-common/createcluster.conf"
    # shellcheck disable=SC2086 # a list
    install_in "$work/$to/rootfs" $packages
    "$change" "$work/$to/rootfs"
    forget "$work/$to/rootfs"
    umoci repack --image "$new:$to" "$work/$to"
    local words=()
    for word in "$@"; do words+=(--config.entrypoint "$word"); done
    umoci config --image "$new:$to" --config.user "$user" "${words[@]}"
    rm -rf "${work:?}/$to"
}

nothing() { :; }

db() {
    install -m 755 "$here/db/start-postgres" "$1/usr/local/bin/"
    # Without the compiler of queries, which is larger than the rest and of no use to short ones.
    rm -f "$1"/usr/lib/postgresql/*/lib/llvmjit*.so "$1"/usr/lib/x86_64-linux-gnu/libLLVM* \
        "$1"/usr/lib/x86_64-linux-gnu/libz3.so*
    # Perl is for the wrappers in /usr/bin, which nobody calls.
    rm -rf "$1"/usr/share/perl "$1"/usr/lib/x86_64-linux-gnu/perl "$1"/usr/lib/x86_64-linux-gnu/libperl.so*
    for program in "$1"/usr/lib/postgresql/*/bin/*; do
        ln -sf "${program#"$1"}" "$1/usr/local/bin/${program##*/}"
    done
}

app() { install -m 755 "$here/app/shop" "$1/usr/local/bin/"; }

echo "building the base of the images" >&2
lists=$work/lists
umoci init --layout "$new"
umoci new --image "$new:base"
umoci unpack --image "$new:base" "$work/base"
rmdir "$work/base/rootfs"
mmdebstrap --quiet --variant=apt --format=directory --dpkgopt="$slim" \
    --customize-hook="cp -r \"\$1/var/lib/apt/lists\" '$lists'" \
    --customize-hook="cp '$slim' \"\$1/etc/dpkg/dpkg.cfg.d/slim\"" \
    --skip=cleanup/apt/lists "$suite" "$work/base/rootfs" <<<"$sources"
forget "$work/base/rootfs"
umoci repack --image "$new:base" "$work/base"
rm -rf "$work/base"

image base db postgres "postgresql postgresql-client" db /usr/local/bin/start-postgres
image base cache redis "redis-server redis-tools" nothing /usr/bin/redis-server
image base app nobody "python3-minimal python3-psycopg2 python3-redis" app /usr/local/bin/shop
image base front www-data "nginx-light" nothing /usr/sbin/nginx -e stderr -g "daemon off;"

for version in 1 2 bad; do
    page=$work/index.html
    echo "served by front $version" >"$page"
    umoci tag --image "$new:front" "front-$version"
    if [ "$version" = bad ]; then
        umoci insert --image "$new:front-bad" --opaque "$(mktemp -d "$work/empty.XXXXXX")" /var/www/html
    else
        umoci insert --image "$new:front-$version" "$page" /var/www/html/index.html
    fi
done
umoci rm --image "$new:base"
umoci rm --image "$new:front"
umoci gc --layout "$new"
rm -rf "$cache"/workloads-*
mv "$new" "$layout"
echo "$layout"
