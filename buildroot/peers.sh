#!/usr/bin/env bash
# Unpacks Debian's podman and containerd, with all that they need, for the benchmarks: peers.sh CACHE. Run as root.
# Prints the folder, CACHE/peers-KEY; a second run does nothing. Mirrors are those of this machine's own apt.
set -euo pipefail

cache=$1
suite=trixie
packages=podman,crun,conmon,netavark,aardvark-dns,nftables,containerd,ca-certificates
key=$(echo "$suite $packages" | sha256sum | cut -c1-12)
root=$cache/peers-$key

mkdir -p "$cache"
if [ ! -d "$root" ]; then
    mirror=$(apt-get indextargets --format '$(REPO_URI)' "Origin: Debian" "Label: Debian" | head -n 1)
    [ -n "$mirror" ] || { echo "peers.sh: this machine's apt has no Debian mirror: apt-get update" >&2; exit 1; }
    new=$(mktemp -d "$cache/peers.XXXXXX")
    trap 'rm -rf "$new"' EXIT
    mmdebstrap --quiet --variant=apt --include="$packages" --aptopt='APT::Install-Recommends "false"' \
        "$suite" "$new/root" <<<"deb $mirror $suite main" >&2
    mv "$new/root" "$root"
fi
echo "$root"
