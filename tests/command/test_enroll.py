# SPDX-License-Identifier: LGPL-2.1-or-later
"""`tugboot enroll`, `reseal` and `recovery-key` on image files, with a real TPM (swtpm).

Power cuts: test_enroll_cuts.py. That a boot opens what is enrolled here: tests/boot.
"""

import fcntl
import json
import os
import re
import shutil
import stat
import struct
import subprocess

import pytest
from encrypted import (CAP, EV_APPLICATION, EV_SEPARATOR, MEASURED, PASSPHRASE, EventLog, device_in,
                       passes, sha)

MODHEX = "[cbdefghijklnrtuv]"
RECOVERY_KEY = "-".join([MODHEX + "{8}"] * 8)
F_OFD_SETLK = 37
CRYPTSETUP = "/usr/lib/systemd/systemd-cryptsetup"


@pytest.fixture
def device(tmp_path):
    """Two volumes on a machine that Tugboot booted: its PCRs are capped."""
    with device_in(tmp_path, ["rootA", "data"]) as made:
        yield made.boot()


@pytest.fixture
def one(tmp_path):
    """One volume, on such a machine."""
    with device_in(tmp_path, ["rootA"]) as made:
        yield made.boot()


def contents(device):
    return [image.read_bytes() for image in device.images.values()]


def next_boot(device):
    device.reset()
    return device.boot(cap=False)


def expect_opens(device, tokens=1, opens=None, **kwargs):
    """At a boot that measures what was measured so far."""
    next_boot(device)
    for volume in device.opened(**kwargs):
        assert (volume.opens, volume.tokens) == (tokens if opens is None else opens, tokens), volume
        assert (volume.planned, volume.weak) == (0, 0), volume
    device.tpm.opener("cap")


def refused(device, *words, **kwargs):
    """It fails, and no volume is changed; returns why."""
    before = contents(device)
    done = device.run(*words, **kwargs)
    assert done.returncode == 1, done
    assert contents(device) == before
    assert done.stderr.startswith("tugboot: ")
    return done.stderr


def listed(device):
    return json.loads(device.must("enroll", "list", "--json"))


def extend(device, pcr, digests):
    text = ",".join(f"{bank}={digest.hex()}" for bank, digest in digests.items())
    device.tpm.tool("tpm2_pcrextend", f"{pcr}:{text}")


def measure(device, log):
    """The PCRs as the firmware that left this log filled them."""
    for pcr, digests in log.events:
        extend(device, pcr, digests)


# --- add ---------------------------------------------------------------------------------------


def test_what_is_enrolled_opens_at_the_next_boot_and_not_in_this_one(device):
    assert "2 volumes" in device.must("enroll", "add")
    assert all(volume.opens == 0 for volume in device.opened())  # capped
    expect_opens(device)
    assert device.tpm.lockout() == 0


def test_all_volumes_share_one_sealed_secret(device):
    device.must("enroll", "add")
    blobs = set()
    for image in device.volumes:
        dump = subprocess.run(["cryptsetup", "token", "export", "--token-id", "0", image],
                              check=True, capture_output=True, text=True)
        token = json.loads(dump.stdout)
        blobs.add(token["tpm2-blob"])
        assert token["type"] == "tugboot-tpm2" and token["tpm2-pcr-bank"] == "sha256"
        assert "slots-planned" not in token
    assert len(blobs) == 1


def test_without_a_cap_it_is_taken_from_the_log_as_well(one):
    one.reset()
    one.boot(cap=False)
    one.must("enroll", "add")
    expect_opens(one)


@pytest.mark.parametrize("options", [["--primary", "rsa"], ["--bank", "sha1"], ["--pcrs", "0+7"],
                                     ["--pcrs", "7", "--primary", "ecc", "--bank", "sha256"]])
def test_other_keys_banks_and_pcrs(one, options):
    log = EventLog().add(7, MEASURED)
    if "--pcrs" in options:
        log.add(0, b"code")
    log.write(one.log)
    one.reset()
    if "--pcrs" in options:
        extend(one, 0, dict(log.events)[0])
    one.boot()
    one.must("enroll", "add", *options)
    one.reset()
    if "--pcrs" in options:
        extend(one, 0, dict(log.events)[0])
    one.boot(cap=False)
    assert [volume.opens for volume in one.opened()] == [1]


def test_a_pin_is_needed_where_it_was_enrolled(one, tmp_path):
    (tmp_path / "pin").write_text("0815\n")
    one.must("enroll", "add", "--pin-file", str(tmp_path / "pin"))
    expect_opens(one, opens=0)
    assert one.tpm.lockout() == 0
    expect_opens(one, pin="0815")
    assert one.tpm.lockout() == 0
    expect_opens(one, opens=0, pin="4711")
    assert one.tpm.lockout() == 1


def test_what_systemd_needs_is_added_for_the_same_slot(one):
    one.must("enroll", "add", "--systemd")
    expect_opens(one, tokens=2)
    ours, systemd = listed(one)[0]["tokens"]
    assert (ours["type"], systemd["type"]) == ("tugboot-tpm2", "systemd-tpm2")
    assert ours["slots"] == systemd["slots"] == [1]


def test_systemd_unseals_what_was_added_for_it(one):
    if not os.path.exists(CRYPTSETUP):
        pytest.skip("systemd-cryptsetup is not installed")
    one.must("enroll", "add", "--systemd")
    next_boot(one)
    done = subprocess.run(
        [CRYPTSETUP, "attach", "tugboot-test", one.volumes[0], "-",
         f"tpm2-device={one.tpm.tcti},headless=1,read-only"],
        env={**os.environ, "SYSTEMD_LOG_LEVEL": "debug"}, capture_output=True, text=True,
        check=False, timeout=60)
    # It then wants a device mapper, which there may not be here.
    if done.returncode == 0:
        subprocess.run([CRYPTSETUP, "detach", "tugboot-test"], check=True)
    assert "Completed TPM2 key unsealing" in done.stderr
    assert "[keyslot 1] using passphrase" in done.stderr


def test_a_signed_policy_is_enrolled_with_its_key(one, tmp_path):
    if not shutil.which("openssl"):
        pytest.skip("openssl is not installed")
    key, pem = tmp_path / "key.pem", tmp_path / "public.pem"
    subprocess.run(["openssl", "genrsa", "-out", key, "2048"], check=True, capture_output=True)
    subprocess.run(["openssl", "rsa", "-in", key, "-pubout", "-out", pem], check=True,
                   capture_output=True)
    one.must("enroll", "add", "--public-key", str(pem))
    token, = listed(one)[0]["tokens"]
    assert token["signed_pcrs"] == [11] and token["branches"][0]["pcrs"] == [7]
    one.must("enroll", "add", "--pcrs", "none", "--public-key", str(pem), "--public-key-pcrs", "4")
    assert listed(one)[0]["tokens"][1]["branches"] == []
    expect_opens(one, tokens=2, opens=0)  # there is no signature
    pem.write_text("-----BEGIN PUBLIC KEY-----\n")
    assert "not a public key" in refused(one, "enroll", "add", "--public-key", str(pem))


def test_pcrs_that_say_nothing_are_refused_or_warned_of(one):
    for pcr in ("16", "0,23"):
        done = one.run("enroll", "add", "--pcrs", pcr)
        assert done.returncode == 2 and "any program resets it" in done.stderr
    done = one.run("enroll", "add", "--pcrs", "7,9")
    assert done.returncode == 0
    assert "warning: nothing is measured into PCR 9" in done.stderr
    done = one.run("enroll", "add", "--pcrs", "none")
    assert done.returncode == 2 and "any program on this machine" in done.stderr


@pytest.mark.parametrize("options", [["--pcrs", "7,"], ["--pcrs", "24"], ["--pcrs", "7,7"],
                                     ["--bank", "md5"], ["--primary", "dsa"],
                                     ["--public-key-pcrs", "11"], ["--efi", "x"], ["--print"]])
def test_wrong_options_are_said(one, options):
    before = contents(one)
    done = one.run("enroll", "add", *options)
    assert done.returncode == 2 and done.stderr.endswith("Try 'tugboot --help'.\n")
    assert contents(one) == before


# --- what the PCRs are -------------------------------------------------------------------------


def test_a_pcr_that_something_else_extended_is_refused(one):
    extend(one, 7, {"sha256": sha(b"something else")})
    why = refused(one, "enroll", "add")
    assert "PCR 7" in why and "--current" in why


def test_a_log_of_another_boot_is_refused(one, tmp_path):
    EventLog().add(7, b"another").write(one.log)
    assert "PCR 7 holds neither" in refused(one, "enroll", "add")
    assert "there is no event log" in refused(one, "enroll", "add", "--event-log",
                                              str(tmp_path / "none"))
    one.log.write_bytes(one.log.read_bytes()[:-3])
    assert "damaged" in refused(one, "enroll", "add")
    one.log.write_bytes(b"")
    assert "there is no event log" in refused(one, "enroll", "add")
    EventLog(banks=["sha1"]).add(7, MEASURED).write(one.log)
    assert "no digests of bank sha256" in refused(one, "enroll", "add")


def test_the_pcrs_as_they_are_can_be_taken(one):
    one.must("enroll", "add", "--current")
    assert [volume.opens for volume in one.opened()] == [1]
    expect_opens(one, opens=0)  # the next boot is another state


def test_the_cap_is_the_digest_of_its_text(one):
    """What is extended is a contract between releases: the command of one meets the boot of another."""
    next_boot(one)
    extend(one, 7, {"sha256": sha(CAP)})
    one.must("enroll", "add")
    expect_opens(one)


# --- keys and volumes --------------------------------------------------------------------------


def test_a_wrong_passphrase_changes_nothing(one, tmp_path):
    (tmp_path / "wrong").write_text("wrong")
    why = refused(one, "enroll", "add", "--key-file", str(tmp_path / "wrong"))
    assert "no key slot takes this passphrase" in why


def test_a_passphrase_comes_from_a_file_with_or_without_an_end_of_line(one):
    one.key.write_text(PASSPHRASE + "\n")
    one.must("enroll", "add")
    one.must("enroll", "add", "--key-file", "-", input=PASSPHRASE + "\n")
    expect_opens(one, tokens=2)


def test_without_a_file_a_terminal_is_needed(one):
    command = [word for word in one.command("enroll", "add")
               if word not in ("--key-file", str(one.key))]
    done = subprocess.run(["setsid", *command], capture_output=True, text=True, check=False)
    assert done.returncode == 1 and "no terminal" in done.stderr


def test_a_recovery_key_is_as_good_as_a_passphrase(one, tmp_path):
    one.must("recovery-key", "--to", str(tmp_path / "recovery"))
    one.must("enroll", "add", "--key-file", str(tmp_path / "recovery"))
    expect_opens(one)


def test_a_volume_without_a_label_is_given_its_role(tmp_path):
    with device_in(tmp_path, []) as device:
        device.boot()
        device.add_volume("rootB", label="")
        image = device.volumes[0]
        why = refused(device, "enroll", "add")
        assert "ROLE=" in why
        done = device.run("enroll", "add", f"rootB={image}", volumes=False)
        assert done.returncode == 0, done.stderr
        expect_opens(device)


def test_what_is_no_luks2_volume_is_named(one, tmp_path):
    other = tmp_path / "other"
    other.write_bytes(bytes(1 << 20))
    why = refused(one, "enroll", "add", f"rootB={other}")
    assert str(other) in why and "not a LUKS2 volume" in why
    why = refused(one, "enroll", "add", str(tmp_path / "nowhere"))
    assert "No such file" in why


def test_without_a_tpm_it_says_so(one, tmp_path):
    before = contents(one)
    command = one.command("enroll", "add")
    command[command.index("--tpm") + 1] = f"swtpm:path={tmp_path}/nowhere"
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1 and "there is no TPM" in done.stderr
    assert contents(one) == before


def test_two_runs_at_a_time_are_kept_apart(device):
    with open(device.volumes[1], "r+b") as image:
        fcntl.fcntl(image, F_OFD_SETLK, struct.pack("hhqqi4x", fcntl.F_WRLCK, 0, 0, 0, 0))
        for words in (["enroll", "add"], ["reseal"], ["recovery-key", "--print"],
                      ["enroll", "remove", "tpm2"]):
            assert "another run" in refused(device, *words)
        device.must("enroll", "list")  # does not wait
    device.must("enroll", "add")


def fill(device):
    """Enrols until there is no room; how often that went well, and what was said then."""
    # Many events: what explains them is dropped before an enrolment is refused.
    log = EventLog().add(7, MEASURED)
    for i in range(60):
        log.add(0, bytes([i]))
    log.write(device.log)
    device.reset()
    measure(device, log)
    device.tpm.opener("cap")
    for n in range(40):
        done = device.run("enroll", "add", "--pcrs", "0,1,2,3,4,5,6,7")
        if done.returncode != 0:
            break
    tokens = listed(device)[0]["tokens"]
    assert len(tokens) == n and not any(token["planned_slots"] for token in tokens)
    device.reset()
    measure(device, log)
    volume, = device.opened()
    assert (volume.opens, volume.tokens, volume.weak, volume.planned) == (n, n, 0, 0)
    return n, done.stderr


def test_where_there_is_no_room_for_a_key_slot_nothing_is_left(one):
    n, why = fill(one)
    assert n == 5 and "there is no room in its header" in why


def test_where_there_is_no_room_for_a_token_what_explains_is_left_out(tmp_path):
    with device_in(tmp_path, []) as device:
        device.add_volume("rootA", keyslots="6m", size=8 << 20)
        device.boot()
        n, why = fill(device)
        assert n > 4 and "there is no room in its header" in why
        tokens = [json.loads(subprocess.run(
            ["cryptsetup", "token", "export", "--token-id", str(i), device.volumes[0]], check=True,
            capture_output=True).stdout) for i in range(n)]
        explained = ["events" in token["tpm2-policies"][0] for token in tokens]
        assert explained[0] and not explained[-1]


# --- list and remove ---------------------------------------------------------------------------


def test_list_tells_slots_tokens_and_policies_and_no_secret(device, tmp_path):
    key = tmp_path / "recovery"
    device.must("enroll", "add", "--systemd")
    device.must("recovery-key", "--to", str(key))
    for text in (device.must("enroll", "list"), device.must("enroll", "list", "--json")):
        for word in ("rootA", "data", "tugboot-tpm2", "systemd-tpm2", "tugboot-recovery",
                     "this boot", "sha256"):
            assert word in text
        assert key.read_text().strip() not in text and PASSPHRASE not in text
        assert not re.search(r"[A-Za-z0-9+/=]{40}", text.replace("/tmp", "").replace(
            str(tmp_path), ""))
    volume = listed(device)[0]
    assert volume["role"] == "rootA"
    assert [slot["of"] for slot in volume["slots"]] == ["passphrase", "TPM", "recovery key"]
    assert [token["slots"] for token in volume["tokens"]] == [[1], [1], [2]]


def test_listing_needs_neither_tpm_nor_passphrase_and_writes_nothing(one):
    one.must("enroll", "add")
    one.tpm.cut()
    for image in one.images.values():
        image.chmod(0o444)
    before = contents(one)
    assert "TPM, PCR 7" in one.must("enroll", "list")
    assert contents(one) == before


def test_remove_takes_tokens_and_their_slots(device, tmp_path):
    device.must("enroll", "add", "--systemd")
    device.must("recovery-key", "--to", str(tmp_path / "recovery"))
    device.must("enroll", "remove", "tpm2")
    for volume in listed(device):
        assert [token["type"] for token in volume["tokens"]] == ["tugboot-recovery"]
        assert [slot["slot"] for slot in volume["slots"]] == [0, 2]
    device.must("enroll", "remove", "recovery")
    assert all(volume["tokens"] == [] for volume in listed(device))
    assert "no such token" in refused(device, "enroll", "remove", "recovery")


def test_a_slot_stays_while_another_token_names_it(one):
    one.must("enroll", "add", "--systemd")
    one.must("enroll", "remove", "0")
    volume, = listed(one)
    assert [token["type"] for token in volume["tokens"]] == ["systemd-tpm2"]
    assert [slot["slot"] for slot in volume["slots"]] == [0, 1]
    expect_opens(one)


def test_a_token_by_number_is_of_one_volume(device):
    device.must("enroll", "add")
    done = device.run("enroll", "remove", "0")
    assert done.returncode == 2 and "name one volume" in done.stderr
    assert device.run("enroll", "remove", "pin").returncode == 2
    assert device.run("enroll", "remove", "0", device.volumes[0], volumes=False).returncode == 0
    assert [len(volume["tokens"]) for volume in listed(device)] == [0, 1]


def test_the_last_way_in_is_not_removed(one):
    one.must("enroll", "add")
    subprocess.run(["cryptsetup", "luksKillSlot", "-q", one.volumes[0], "0"], check=True,
                   capture_output=True)
    assert "no other way in" in refused(one, "enroll", "remove", "tpm2")
    one.must("enroll", "remove", "tpm2", "--force")
    assert listed(one)[0]["slots"] == []


# --- reseal ------------------------------------------------------------------------------------


def test_after_a_change_of_firmware_it_is_sealed_for_what_is_measured_now(device):
    device.must("enroll", "add", "--systemd")
    device.reset()
    new = EventLog().add(7, b"new firmware")
    new.write(device.log)
    measure(device, new)
    device.tpm.opener("cap")
    assert "1 state" in device.must("reseal")
    device.reset()
    measure(device, new)
    for volume in device.opened():  # the old ones are gone, systemd's is as new
        assert (volume.opens, volume.tokens, volume.weak) == (2, 2, 0)
    expect_opens(device, tokens=2, opens=0)


def test_what_it_opens_for_now_can_be_kept(device):
    device.must("enroll", "add")
    device.reset()
    new = EventLog().add(7, b"new firmware")
    new.write(device.log)
    measure(device, new)
    assert "2 states" in device.must("reseal", "--keep-current")
    assert all(volume.opens == 1 for volume in device.opened())
    expect_opens(device)


def test_without_anybody_there_it_is_done_where_the_tpm_opens(device):
    device.must("enroll", "add")
    next_boot(device)
    command = [word for word in device.command("reseal")
               if word not in ("--key-file", str(device.key))]
    done = subprocess.run(["setsid", *command], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    expect_opens(device)


def test_a_pin_stays_a_pin(one, tmp_path):
    pin = tmp_path / "pin"
    pin.write_text("0815")
    one.must("enroll", "add", "--pin-file", str(pin))
    assert "'tugboot enroll add'" in refused(one, "reseal")
    one.must("reseal", "--pin-file", str(pin))
    expect_opens(one, pin="0815")
    expect_opens(one, opens=0)


def test_resealing_what_is_not_enrolled_is_refused(one):
    assert "'tugboot enroll add'" in refused(one, "reseal")
    one.must("enroll", "add")
    one.must("enroll", "add", "--primary", "rsa")
    assert "more than one form" in refused(one, "reseal")


def image_file(parts, signature=b""):
    """A small PE32+ file of these sections, with a signature behind it."""
    align = 512
    head = bytearray(align)
    head[0:2] = b"MZ"
    head[0x3c] = 64
    struct.pack_into("<4sHHIIIHH", head, 64, b"PE\0\0", 0x8664, len(parts), 0, 0, 0, 240, 0x22)
    struct.pack_into("<H", head, 88, 0x20b)
    struct.pack_into("<IIHHHHHHIIII", head, 88 + 32, 512, align, 0, 0, 0, 0, 0, 0, 0, 65536,
                     align, 0x12345678)
    struct.pack_into("<I", head, 88 + 108, 16)
    body, table = b"", 88 + 240
    for name, data in parts:
        padded = data + bytes(-len(data) % align)
        struct.pack_into("<8sIIII", head, table, name, len(data), align + len(body), len(padded),
                         align + len(body))
        body += padded
        table += 40
    if signature:
        struct.pack_into("<II", head, 88 + 112 + 32, align + len(body), len(signature))
    return bytes(head) + body + signature


def authenticode(data, bank="sha256"):
    """Of a file whose sections lie behind each other: all but checksum and signature."""
    end = len(data) - struct.unpack_from("<I", data, 88 + 112 + 36)[0]
    return sha(data[:88 + 64] + data[88 + 68:88 + 144] + data[88 + 152:end], bank)


def load_event(path):
    """UEFI_IMAGE_LOAD_EVENT: of a file, or of memory."""
    name = "tugboot.efi".encode("utf-16-le") + b"\0\0"
    node = struct.pack("<BBH", 4, 4, 4 + len(name)) + name if path else struct.pack(
        "<BBHIQQ", 1, 3, 24, 0, 0, 0)
    device_path = node + b"\x7f\xff\x04\0"
    return struct.pack("<QQQQ", 0, 0, 0, len(device_path)) + device_path


def boot_log(file, kernel):
    log = EventLog().add(7, MEASURED).add(4, b"action", kind=0x80000007)
    log.add(4, bytes(4), kind=EV_SEPARATOR)
    for data, by_path in ((file, True), (kernel, False)):
        digests = {bank: authenticode(data, bank) for bank in log.banks}
        log.add(4, b"", kind=EV_APPLICATION, data=load_event(by_path), digests=digests)
    return log


def test_the_next_bootloader_is_predicted_and_this_one_still_opens(device, tmp_path):
    kernels = [image_file([(b".text", b"kernel %d" % i * 99)]) for i in range(2)]
    files = [image_file([(b".osrel", b"x" * 700), (b".linux", kernel), (b".initrd", b"i" * 99)],
                        b"signature" * 3) for kernel in kernels]
    logs = [boot_log(file, kernel) for file, kernel in zip(files, kernels)]
    efi = tmp_path / "new.efi"
    efi.write_bytes(files[1])

    device.reset()
    measure(device, logs[0])
    logs[0].write(device.log)
    device.tpm.opener("cap")
    device.must("enroll", "add", "--pcrs", "4,7")
    assert "2 states" in device.must("reseal", "--efi", str(efi))
    for log in logs:
        device.reset()
        measure(device, log)
        assert all(volume.opens == 1 for volume in device.opened())
        assert listed(device)[0]["tokens"][0]["branches"] == [
            {"name": "this boot", "pcrs": [4, 7]}, {"name": "next boot", "pcrs": [4, 7]}]
    # In the new one, after the update.
    logs[1].write(device.log)
    device.tpm.opener("cap")
    assert "1 state" in device.must("reseal")
    device.reset()
    measure(device, logs[0])
    assert all(volume.opens == 0 for volume in device.opened())


def test_what_cannot_be_predicted_is_said(one, tmp_path):
    efi = tmp_path / "new.efi"
    efi.write_bytes(image_file([(b".text", b"x")]))
    one.must("enroll", "add", "--pcrs", "7,11")
    assert "PCR 11" in refused(one, "reseal", "--efi", str(efi))
    one.must("enroll", "remove", "tpm2")
    one.must("enroll", "add", "--pcrs", "4,7")
    assert "names no EFI file" in refused(one, "reseal", "--efi", str(efi))
    efi.write_bytes(b"MZ")
    assert "no EFI file" in refused(one, "reseal", "--efi", str(efi))
    assert one.run("reseal", "--efi", str(efi), "--current").returncode == 2


# --- recovery keys -----------------------------------------------------------------------------


def test_one_recovery_key_opens_all_volumes(device):
    key = device.must("recovery-key", "--print")
    assert re.fullmatch(RECOVERY_KEY + "\n", key)
    assert all(passes(image, key.strip()) for image in device.volumes)
    assert all(volume.recovery == 1 and volume.weak == 0 for volume in device.opened())
    again = device.must("recovery-key", "--print")
    assert again != key


def test_a_recovery_key_is_not_shown_unasked(one, tmp_path):
    done = one.run("recovery-key")
    assert done.returncode == 2 and "--print" in done.stderr
    path = tmp_path / "recovery"
    out = one.must("recovery-key", "--to", str(path))
    key = path.read_text()
    assert re.fullmatch(RECOVERY_KEY + "\n", key) and key.strip() not in out
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert not (tmp_path / "recovery.new").exists()


def test_a_file_with_a_key_is_taken_up_and_any_other_left_alone(one, tmp_path):
    path = tmp_path / "recovery"
    one.must("recovery-key", "--to", str(path))
    key = path.read_text().strip()
    one.must("recovery-key", "--to", str(path))  # as after a cut: nothing is left to do
    assert [volume.recovery for volume in one.opened()] == [1]
    one.must("enroll", "remove", "recovery")
    one.must("recovery-key", "--to", str(path))
    assert path.read_text().strip() == key and passes(one.volumes[0], key)
    path.write_text("my diary\n")
    assert "holds no recovery key" in refused(one, "recovery-key", "--to", str(path))
    assert path.read_text() == "my diary\n"
    path.write_text(key)
    path.chmod(0o644)
    assert "there already" in refused(one, "recovery-key", "--to", str(path))


def test_a_key_that_cannot_be_shown_is_not_enrolled(one):
    with open("/dev/full", "wb") as full:
        done = subprocess.run(one.command("recovery-key", "--print"), stdout=full,
                              stderr=subprocess.PIPE, text=True, check=False)
    assert done.returncode == 1 and "cannot be shown" in done.stderr
    volume, = one.opened()
    assert (volume.recovery, volume.weak, volume.planned) == (0, 0, 0)
