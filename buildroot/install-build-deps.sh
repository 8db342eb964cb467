#!/usr/bin/env bash
# Installs the Debian packages (Debian 12 or 13) that building, testing and running Orlop need. Run as
# root. Does nothing, and asks no mirror, when all of them are there. Rust itself comes from rustup.
set -euo pipefail

packages=(
    binutils build-essential pkg-config libssl-dev zstd cpio       # build
    mmdebstrap debian-archive-keyring                              # base system
    kmod                                                           # index of the kernel modules
    dosfstools mtools e2fsprogs fdisk                              # disk images
    erofs-utils                                                    # tests that mount an image
    qemu-system-x86 ovmf                                           # QEMU machines
    iproute2 nftables dbus curl                                    # namespace machines, front doors
    crun skopeo docker-registry                                    # peers and real registries in tests
    buildah podman umoci                                           # images in the formats of others, in tests
)

missing=()
for package in "${packages[@]}"; do
    status=$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null || true)
    [ "$status" = installed ] || missing+=("$package")
done

if [ "${#missing[@]}" -gt 0 ]; then
    export DEBIAN_FRONTEND=noninteractive
    echo "installing: ${missing[*]}"
    . /etc/os-release
    apt-get update -qq
    # A qemu-utils from backports does not fit beside the release's own qemu-system-x86; then it is
    # taken back to the release's version.
    apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null ||
        apt-get install -y -qq --no-install-recommends --allow-downgrades \
            "${missing[@]}" "qemu-utils/${VERSION_CODENAME}" >/dev/null
fi
