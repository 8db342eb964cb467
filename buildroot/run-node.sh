#!/usr/bin/env bash
# Boots one node and leaves it running: run-node.sh qemu|namespace NAME IMAGES TOOLS (`make run`).
set -euo pipefail

kind=$1 name=$2 images=$3 tools=$4
machines=build/machines
mkdir -p "$machines"

case $kind in
qemu)
    disk=$machines/$name.img
    "$tools/orlop-image" disk --image "$images/os:1" --output "$disk" >/dev/null
    exec "$tools/orlop-machine" start "$name" --disk "$disk"
    ;;
namespace)
    exec "$tools/orlop-machine" start "$name" --kind namespace --layout "$images/os" --tag 1
    ;;
*)
    echo "run-node.sh: cannot boot a machine of kind $kind: use MACHINE=qemu or MACHINE=namespace" >&2
    exit 2
    ;;
esac
