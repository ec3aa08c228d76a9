#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Unlocking as shell scripts do it: the first process of a guest whose kernel is Tugboot's. The TPM's
# object is the one that Tugboot enrolled, and so are the key slots.
#
# /etc/volumes: a line `NAME DEVICE` for each. /etc/pcrs: as in 0,7. /etc/sealed.pub, .priv: the
# object's two parts.

export PATH=/bin TPM2TOOLS_TCTI=device:/dev/tpmrm0 DM_DISABLE_UDEV=1

step() {
	echo "bench: $1" >/dev/kmsg
}

fail() {
	step "failed: $1"
	busybox poweroff -f
}

busybox mount -t devtmpfs devtmpfs /dev
busybox mount -t proc proc /proc
busybox mount -t sysfs sysfs /sys
busybox mount -t tmpfs tmpfs /run
busybox mkdir -p /run/cryptsetup

step begin
tpm2 createprimary -Q -C o -G ecc256:aes128cfb -g sha256 -c /run/primary -a \
	"fixedtpm|fixedparent|sensitivedataorigin|userwithauth|noda|restricted|decrypt" || fail primary
step createprimary
tpm2 load -Q -C /run/primary -u /etc/sealed.pub -r /etc/sealed.priv -c /run/sealed || fail load
step load
tpm2 startauthsession --policy-session -S /run/session || fail session
step startauthsession
tpm2 policypcr -Q -S /run/session -l "sha256:$(busybox cat /etc/pcrs)" || fail policy
step policypcr
tpm2 unseal -c /run/sealed -p session:/run/session -o /run/secret || fail unseal
step unseal
tpm2 flushcontext /run/session || fail flush
step flushcontext
busybox base64 -w 0 /run/secret >/run/passphrase
while read -r name device; do
	cryptsetup open --type luks2 --key-file /run/passphrase "$device" "$name" || fail "$name"
	step "open $name"
done </etc/volumes
busybox rm /run/secret /run/passphrase /run/primary /run/sealed
step end

# What it was good for.
while read -r name device; do
	busybox mount -o ro "/dev/mapper/$name" /mnt || fail "mount $name"
	busybox umount /mnt
done </etc/volumes
step mounted
busybox poweroff -f
