# Copyright (c) 2026 the privacy.hosting authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lab's images: one base per Debian release, and one per kind of server derived from it."""

from __future__ import annotations

import hashlib
import json
import os
import shlex
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import IO, Any

from lab import machine, vm
from lab.machine import LabError, say

MIRROR = os.environ.get("LAB_MIRROR", "http://deb.debian.org/debian")
BASE = "base"
SIDE_BY_SIDE = (os.cpu_count() or 1) + 1  # images in the making: one waits for the mirror while others use processors

# What cloud-init makes of a new server at OVH: one login account with sudo and no password of its own.
_MAKE_ACCOUNT = (
    "useradd --create-home --shell /bin/bash --groups adm,sudo debian",
    "echo 'debian ALL=(ALL) NOPASSWD: ALL' > /etc/sudoers.d/90-cloud-init-users",
    "chmod 0440 /etc/sudoers.d/90-cloud-init-users",
    "install -d -o debian -g debian -m 0700 /home/debian/.ssh",
    "echo 'uninitialized' > /etc/machine-id",
)

# A disk of two partitions, root and swap, from an image's files.
_MAKE_DISK = """
tree=$("$@" image mount "$IMAGE")
trap '"$@" image umount "$IMAGE" > /dev/null' EXIT
cd "$FOLDER"
cp "$tree"/boot/vmlinuz-* kernel
cp "$tree"/boot/initrd.img-* initrd
truncate -s "${SWAP_SIZE}M" swap.img
mkswap --quiet --uuid "$SWAP_UUID" swap.img
truncate -s "${ROOT_SIZE}M" root.img
begin=$((SWAP_SIZE + 1))
printf 'label: dos\n1MiB %sMiB swap\n%sMiB + linux *\n' "$SWAP_SIZE" "$begin" | sfdisk --quiet root.img
dd if=swap.img of=root.img bs=1M seek=1 conv=notrunc,sparse status=none
rm swap.img
beside="offset=$((begin * 1048576)),lazy_itable_init=1"
mke2fs -q -t ext4 -U "$ROOT_UUID" -E "$beside" -d "$tree" root.img "$((ROOT_SIZE - begin))M"
"""

# Those of mmdebstrap's messages that are shown as progress.
_STEPS = ("I: downloading", "I: extracting", "I: installing", "I: creating")


def reference(release: str, image: str, recipes: dict[str, Any]) -> str:
    """Name and tag of an image; the tag changes with what goes into it."""
    ingredients = [MIRROR, release, recipes[BASE], _MAKE_ACCOUNT, recipes[image]]
    digest = hashlib.sha256(json.dumps(ingredients, sort_keys=True).encode()).hexdigest()[:12]
    return f"localhost/privacy-hosting-lab/{release}-{image}:{digest}"


def build(
    release: str, wanted: Sequence[str], recipes: dict[str, Any], machines: Mapping[str, Mapping[str, str]]
) -> None:
    """Build those of the images `wanted` that are missing, the base first, the others side by side.

    machines: the disks beside the first of the virtual machine that is made of an image, too. These come first: they
    boot slowly, and what is left is built beside that. Then those of many packages.
    """

    def urgency(image: str) -> tuple[bool, int]:
        return image in machines, len(packages(release, recipes[image]))

    def make(image: str) -> None:
        # another lab may be making it, and is waited for; what it makes beside that is not
        with machine.locked(f"image-{release}-{image}"):
            if not exists(reference(release, image, recipes)):
                (_build_base if image == BASE else _build_derived)(release, image, recipes)
        if image in machines:
            build_machine(release, image, recipes, machines[image])

    make(BASE)
    with ThreadPoolExecutor(max_workers=SIDE_BY_SIDE) as pool:
        list(pool.map(make, sorted({*wanted} - {BASE}, key=urgency, reverse=True)))


def machine_name(release: str, image: str, recipes: dict[str, Any], disks: Mapping[str, str]) -> str:
    """Name of a machine made of an image and these empty disks; it changes with what goes into it."""
    ingredients = [reference(release, image, recipes), disks, _MAKE_DISK, vm.PARTITIONS, *vm.ingredients()]
    digest = hashlib.sha256(json.dumps(ingredients, sort_keys=True).encode()).hexdigest()[:12]
    return f"{release}-{image}-{digest}"


def build_machine(release: str, image: str, recipes: dict[str, Any], disks: Mapping[str, str]) -> Path:
    """Folder of a booted virtual machine of an image, of which copies are made; made where it is missing."""
    name = machine_name(release, image, recipes, disks)
    folder = machine.STATE / "machines" / name
    with machine.locked(f"machines-{release}"):
        if not folder.exists():
            unfinished = vm.VirtualMachine(name, folder.with_suffix(".new"), f"phlab-{os.getpid()}")
            unfinished.remove()
            unfinished.folder.mkdir(parents=True)
            say(f"image {release}-{image}: making its disk, and booting it")
            _make_disk(unfinished.folder, reference(release, image, recipes))
            unfinished.make(disks)
            unfinished.folder.rename(folder)
            say(f"image {release}-{image}: booted")
    return folder


def _make_disk(folder: Path, image: str) -> None:
    """Write an image's files on a disk, and its kernel and initramfs beside it."""
    inside = machine.INSIDE / folder.relative_to(machine.STATE)
    settings = {"IMAGE": image, "FOLDER": inside, **vm.PARTITIONS}
    shell = ["env", *(f"{key}={value}" for key, value in settings.items()), "sh", "-ec", _MAKE_DISK, "sh"]
    machine.run(machine.enter([*shell, *machine.PODMAN]), name=f"making the disk of {image}")


def packages(release: str, recipe: dict[str, Any]) -> list[str]:
    """The packages of a recipe; one that only a release needs stands there as {release: package}."""
    told = [one if isinstance(one, dict) else {release: one} for one in recipe["packages"]]
    return [one[release] for one in told if release in one]


def exists(name: str) -> bool:
    """Whether podman has an image of this name."""
    return subprocess.run(machine.podman_command("image", "exists", name), check=False).returncode == 0


def _package_cache(release: str, image: str) -> Path:
    """Where an image's downloaded packages are kept; one folder each, because apt locks it."""
    cache = machine.STATE / "apt" / f"{release}-{image}"
    cache.mkdir(parents=True, exist_ok=True)
    return cache


def _build_base(release: str, image: str, recipes: dict[str, Any]) -> None:
    """Bootstrap a Debian straight into podman; downloaded packages are kept for the next time."""
    say(f"image {release}-{image}: installing Debian, about half a minute")
    kept = shlex.quote(str(_package_cache(release, image)))
    bootstrap = [
        "mmdebstrap",
        "--mode=root",
        "--variant=apt",
        f"--include={','.join(packages(release, recipes[image]))}",
        "--dpkgopt=path-exclude=/usr/share/man/*",
        "--dpkgopt=path-exclude=/usr/share/locale/*",
        "--skip=download/empty,essential/unlink,cleanup/apt/lists",
        '--setup-hook=mkdir -p "$1/var/cache/apt/archives"',
        f"--setup-hook=sync-in {kept} /var/cache/apt/archives",
        f"--customize-hook=sync-out /var/cache/apt/archives {kept}",
        *(f'--customize-hook=chroot "$1" sh -c {shlex.quote(step)}' for step in _MAKE_ACCOUNT),
        release,
        "-",
        MIRROR,
    ]
    importing = machine.podman_command("import", "--quiet", "-", reference(release, image, recipes))
    pipe = subprocess.PIPE
    with (
        subprocess.Popen(bootstrap, stdout=pipe, stderr=pipe) as source,
        subprocess.Popen(importing, stdin=source.stdout, stdout=subprocess.DEVNULL, stderr=pipe) as imported,
    ):
        lines = list(_relayed(source.stderr, f"image {release}-{image}"))
        complaint = imported.stderr.read().decode(errors="replace").strip()
    if source.returncode != 0:
        # An image of half a Debian would be worse than none.
        discard = machine.podman_command("rmi", reference(release, image, recipes))
        subprocess.run(discard, capture_output=True, check=False)
        reasons = [line for line in lines if line.startswith("E:")] or lines or ["no message"]
        raise LabError(f"mmdebstrap could not install {release} from {MIRROR}: {reasons[0]}")
    if imported.returncode != 0:
        raise LabError(f"podman could not import the base image: {complaint}")
    say(f"image {release}-{image}: built")


def _relayed(messages: IO[bytes] | None, subject: str) -> Iterator[str]:
    """Each of mmdebstrap's messages; those that tell of a next step are shown as progress."""
    for message in messages or ():
        line = message.decode(errors="replace").strip()
        if line.startswith(_STEPS):
            say(f"{subject}: {line.removeprefix('I: ').rstrip('.')}")
        yield line


def _steps(recipe: dict[str, Any], when: str) -> Iterator[str]:
    """The shell text that comes 'before' a recipe's packages, or 'then'; what recipes share stands in it as a list."""
    for told in recipe.get(when, []):
        yield from told if isinstance(told, list) else [told]


def _build_derived(release: str, image: str, recipes: dict[str, Any]) -> None:
    recipe = recipes[image]
    wanted = packages(release, recipe)
    say(f"image {release}-{image}: installing {' '.join(wanted)}")
    container = f"build-{release}-{image}"
    install = [
        *_steps(recipe, "before"),
        "DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends "
        "-o APT::Keep-Downloaded-Packages=true -o APT::Sandbox::User=root -o DPkg::Options::=--force-unsafe-io "
        + " ".join(map(shlex.quote, wanted)),
        *_steps(recipe, "then"),
    ]
    machine.podman("rm", "--force", "--ignore", container)
    machine.podman(
        "run",
        f"--name={container}",
        "--network=host",
        f"--volume={machine.INSIDE}/apt/{_package_cache(release, image).name}:/var/cache/apt/archives",
        reference(release, BASE, recipes),
        "sh",
        "-ec",
        "\n".join(install),
    )
    machine.podman("commit", "--quiet", container, reference(release, image, recipes))
    machine.podman("rm", container)
    say(f"image {release}-{image}: built")
