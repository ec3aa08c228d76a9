# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Tugboot's only build entry point: `make help` lists what it can do. Outputs are under
# build/<arch>/; what is slow to make (the kernel) is cached outside the tree, in
# $TUGBOOT_CACHE. Sources are found by their place: a new .c file needs no edit here.
#
# Layers (who may include whom) are the include paths `inc_<directory>` below; a wrong include does
# not compile.

MAKEFLAGS += --no-builtin-rules --no-builtin-variables --no-print-directory
.SUFFIXES:
.DELETE_ON_ERROR:
.DEFAULT_GOAL := all
SHELL := /bin/bash
.SHELLFLAGS := -e -o pipefail -c

# --- What can be set on the command line ------------------------------------------------------

HOST_ARCH := $(shell uname -m)
ARCH ?= $(HOST_ARCH)
# Prefix of the compiler for another architecture, as in aarch64-linux-gnu-.
CROSS_COMPILE ?= $(if $(filter $(ARCH),$(HOST_ARCH)),,$(ARCH)-linux-gnu-)
CC = $(CROSS_COMPILE)gcc
AR = $(CROSS_COMPILE)ar
STRIP = $(CROSS_COMPILE)strip
OBJCOPY = $(CROSS_COMPILE)objcopy
PKG_CONFIG = $(CROSS_COMPILE)pkg-config
CLANG ?= clang
# Not whatever python3 is first in PATH: the test modules are the distribution's.
PYTHON ?= /usr/bin/python3

# DEV=1: a shell in the initramfs, for when nothing can be started.
DEV ?= 0
# WERROR=0: warnings do not stop the build (for compilers that nobody here has tried).
WERROR ?= 1
# V=1: show whole commands.
V ?= 0
DESTDIR ?=
PREFIX ?= /usr/local
SYSCONFDIR ?= /etc
FUZZ_SECONDS ?= 60
VERSION ?= $(shell sed -n 's/.*TUGBOOT_VERSION "\(.*\)"/\1/p' hostos-agents/tugboot.h)
# A tree to build the kernel from, instead of the distribution's source package.
KERNEL_SRC ?=
CFLAGS ?= -O2 -g
LDFLAGS ?=

TUGBOOT_CACHE ?= $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/tugboot
B := build/$(ARCH)
BUILD := $(B)
export ARCH CROSS_COMPILE OBJCOPY PYTHON DEV KERNEL_SRC TUGBOOT_CACHE BUILD

, := ,

# --- Helpers ----------------------------------------------------------------------------------

Q := $(if $(filter 1,$(V)),,@)
say = $(if $(filter 1,$(V)),:,@printf '  %-8s%s\n' '$(1)' '$(2)')

# Packages are looked after by the goals that people name; a file named as goal checks nothing.
PACKAGE_GOALS := all run test test-unit test-boot test-differential test-command test-power test-long bench fuzz lint format install deb
GOALS := $(or $(MAKECMDGOALS),all)
.PHONY: packages
packages:
	@scripts/packages $(filter $(PACKAGE_GOALS),$(GOALS))

.PHONY: FORCE
FORCE:

# A file that holds a text and is as old as that text: things built from it are rebuilt when it
# changes. $(call keep,TEXT)
keep = @mkdir -p $(@D); printf '%s\n' '$(subst ','\'',$(1))' | cmp -s - $@ || \
	printf '%s\n' '$(subst ','\'',$(1))' >$@

# --- C: flags and layers ----------------------------------------------------------------------

WARNINGS := -Wall -Wextra -Wconversion -Wshadow -Wstrict-prototypes -Wmissing-prototypes \
	-Wold-style-definition -Wpointer-arith -Wwrite-strings -Wundef -Wvla -Wformat=2 \
	-Wimplicit-fallthrough -Wno-missing-field-initializers \
	$(if $(filter 1,$(WERROR)),-Werror)
COMMON := -std=gnu17 -D_GNU_SOURCE $(WARNINGS)

inc_lib/base := -Ilib/base
inc_lib/sys := -Ilib/base -Ilib/sys
inc_lib/trust := -Ilib/base -Ilib/sys -Ilib/trust
inc_initramfs := -Ilib/base -Ilib/sys
inc_bootloader := -Ilib/base -Ilib/sys -Ilib/trust
# The parts of the host side, which may all use each other.
HOST_PARTS := hostos-agents $(addprefix hostos-agents/,agent config health network time)
inc_host := -Ilib/base -Ilib/sys -Ilib/trust $(addprefix -I,$(HOST_PARTS))
$(foreach p,$(HOST_PARTS),$(eval inc_$(p) := $(inc_host)))
inc_tests/unit := $(inc_host) -Iinitramfs -Ibootloader -Itests/unit
inc_tests/fuzz := $(inc_host) -Itests/fuzz
inc_tests/boot := -Ilib/base -Ilib/sys -Ilib/trust
inc_tests/power := -Ilib/base -Ilib/sys $(addprefix -I,$(HOST_PARTS))
inc_tests/command := -Ilib/base -Ilib/sys -Ilib/trust
inc_tests/differential := -Ilib/base -Itests/differential

# Four ways to compile: into the image (static, small), for the running system, for unit tests and
# for fuzzers (both with sanitizers). Parsers meet hostile bytes: stack protection and fortified
# string functions stay on where the sanitizers are not.
HARDEN := -fstack-protector-strong -D_FORTIFY_SOURCE=2
SANITIZE := -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer
flags_image := $(COMMON) $(CFLAGS) $(HARDEN) -ffunction-sections -fdata-sections -fno-pie
flags_host := $(COMMON) $(CFLAGS) $(HARDEN) -fPIE -ffunction-sections -fdata-sections
flags_unit := $(COMMON) -O1 -g $(SANITIZE)
flags_fuzz := $(COMMON) -O1 -g $(SANITIZE) -fsanitize=fuzzer-no-link
cc_image = $(CC)
cc_host = $(CC)
cc_unit = $(CC)
cc_fuzz = $(CLANG)
VARIANTS := image host unit fuzz

sources = $(sort $(wildcard $(1)/*.c))
# $(call objects,VARIANT,DIRECTORY)
objects = $(patsubst %.c,$(B)/obj/$(1)/%.o,$(call sources,$(2)))
# The libraries of a variant, highest layer first.
libs = $(B)/obj/$(1)/trust.a $(B)/obj/$(1)/sys.a $(B)/obj/$(1)/base.a

define variant
$(B)/obj/$(1)/.flags: FORCE
	$$(call keep,$$(cc_$(1)) $$(flags_$(1)))

$(B)/obj/$(1)/%.o: %.c $(B)/obj/$(1)/.flags | packages
	$$(call say,CC,$$* ($(1)))
	@mkdir -p $$(@D)
	$$(Q)$$(cc_$(1)) $$(flags_$(1)) $$(inc_$$(patsubst %/,%,$$(dir $$*))) -MMD -MP -c -o $$@ $$<
.PRECIOUS: $(B)/obj/$(1)/%.o

$(B)/obj/$(1)/base.a: $(call objects,$(1),lib/base)
$(B)/obj/$(1)/sys.a: $(call objects,$(1),lib/sys)
$(B)/obj/$(1)/trust.a: $(call objects,$(1),lib/trust)
$(B)/obj/$(1)/initramfs.a: $(call objects,$(1),initramfs)
$(B)/obj/$(1)/bootloader.a: $(call objects,$(1),bootloader)
$(B)/obj/$(1)/hostos-agents.a: $(filter-out %/main.o,$(foreach p,$(HOST_PARTS),$(call objects,$(1),$(p))))
endef
$(foreach v,$(VARIANTS),$(eval $(call variant,$(v))))

# Made anew when its list of members changes, so that a deleted source leaves nothing behind.
%.a: %.list
	$(call say,AR,$@)
	$(Q)rm -f $@; mkdir -p $(@D); $(AR) rcs $@ $(filter %.o,$^)
.PRECIOUS: %.list
%.list: FORCE
	$(call keep,$(filter %.o,$^))

-include $(shell test -d $(B)/obj && find $(B)/obj -name '*.d')

# --- Programs ---------------------------------------------------------------------------------

# What libraries shall find in the program before they find it in libcrypto: see lib/trust/crypto.c.
EXPORTS := -Wl,--export-dynamic-symbol=OSSL_LIB_CTX_new

LINK_IMAGE := -no-pie -Wl,--gc-sections -Wl,--build-id=none -Wl,-z,noseparate-code

$(B)/init: $(call objects,image,initramfs) $(call libs,image)
	$(call say,LINK,$@)
	$(Q)$(CC) -static $(LINK_IMAGE) $(LDFLAGS) -o $@ $(filter %.o %.a,$^)

$(B)/bootloader: $(call objects,image,bootloader) $(call libs,image)
	$(call say,LINK,$@)
	$(Q)$(CC) $(LINK_IMAGE) $(EXPORTS) -Wl,-z,relro,-z,now -Wl,--as-needed $(LDFLAGS) -o $@ \
		$(filter %.o %.a,$^) $$($(PKG_CONFIG) --libs blkid json-c zlib)

# The host's programs take what they call out of one archive.
HOST_LIBRARIES := blkid json-c libcrypto libsystemd zlib
link_host = $(Q)$(CC) -pie $(EXPORTS) -Wl,-z,relro,-z,now -Wl,--as-needed -Wl,--gc-sections $(LDFLAGS) -o $@ \
	$(filter %.o %.a,$^) $$($(PKG_CONFIG) --libs $(HOST_LIBRARIES))

$(B)/tugboot: $(B)/obj/host/hostos-agents/main.o $(B)/obj/host/hostos-agents.a $(call libs,host)
	$(call say,LINK,$@)
	$(link_host)

$(B)/tugboot-agent: $(B)/obj/host/hostos-agents/agent/main.o $(B)/obj/host/hostos-agents.a $(call libs,host)
	$(call say,LINK,$@)
	$(link_host)

PROGRAMS := $(B)/init $(B)/bootloader $(B)/tugboot $(B)/tugboot-agent

# --- Unit tests -------------------------------------------------------------------------------

UNIT := $(patsubst tests/unit/%.c,$(B)/tests/unit/%,$(sort $(wildcard tests/unit/test_*.c)))
UNIT_PARTS := $(foreach p,initramfs bootloader hostos-agents,$(B)/obj/unit/$(p).a)

# A part's archive gives a test only the files that it calls, never the part's main().
$(B)/tests/unit/%: $(B)/obj/unit/tests/unit/%.o $(UNIT_PARTS) $(call libs,unit)
	$(call say,LINK,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) $(SANITIZE) $(EXPORTS) -o $@ $< -Wl,--start-group $(filter %.a,$^) -Wl,--end-group \
		-Wl,--as-needed -lcmocka $$($(PKG_CONFIG) --libs $(HOST_LIBRARIES))

# --- Fuzz targets -----------------------------------------------------------------------------

FUZZ := $(patsubst tests/fuzz/%.c,$(B)/tests/fuzz/%,$(sort $(wildcard tests/fuzz/fuzz_*.c)))

$(B)/tests/fuzz/%: $(B)/obj/fuzz/tests/fuzz/%.o $(B)/obj/fuzz/hostos-agents.a $(call libs,fuzz)
	$(call say,LINK,$@)
	@mkdir -p $(@D)
	$(Q)$(CLANG) $(SANITIZE) -fsanitize=fuzzer -o $@ $< $(filter %.a,$^) -Wl,--as-needed \
		$$($(PKG_CONFIG) --libs $(HOST_LIBRARIES))

# --- Differential tests -----------------------------------------------------------------------

DIFFERENTIAL := $(addprefix $(B)/tests/differential/,uboot_compare uboot_nor base.so swupdate_hook.so)

$(B)/tests/differential/uboot_compare: $(B)/obj/host/tests/differential/uboot_cases.o
$(B)/tests/differential/uboot_%: $(B)/obj/host/tests/differential/uboot_%.o $(B)/obj/host/base.a
	$(call say,LINK,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) -pie $(LDFLAGS) -o $@ $(filter %.o,$^) $(filter %.a,$^) \
		$$($(PKG_CONFIG) --libs libubootenv zlib)

# For Python to call.
$(B)/tests/differential/base.so: $(call sources,lib/base) $(wildcard lib/base/*.h) | packages
	$(call say,LINK,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) -shared -fPIC $(COMMON) $(CFLAGS) $(inc_lib/base) $(LDFLAGS) -o $@ \
		$(filter %.c,$^) $$($(PKG_CONFIG) --libs zlib)

$(B)/tests/differential/%_hook.so: tests/differential/%_hook.c | packages
	$(call say,LINK,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) -shared -fPIC $(COMMON) $(CFLAGS) $(inc_tests/differential) $(LDFLAGS) -o $@ $<

# --- Tests of the command ---------------------------------------------------------------------

COMMAND := $(addprefix $(B)/tests/command/,opener cuts_hook.so)

$(B)/tests/command/opener: $(B)/obj/host/tests/command/opener.o $(call libs,host)
	$(call say,LINK,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) -pie -Wl,--as-needed $(LDFLAGS) -o $@ $(filter %.o %.a,$^) \
		$$($(PKG_CONFIG) --libs blkid json-c zlib)

$(B)/tests/command/%_hook.so: tests/command/%_hook.c | packages
	$(call say,LINK,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) -shared -fPIC $(COMMON) $(CFLAGS) $(LDFLAGS) -o $@ $<

# --- The image --------------------------------------------------------------------------------

KERNEL := $(if $(filter aarch64,$(ARCH)),Image,vmlinuz)
BUSYBOX ?= /bin/busybox
STUB ?= /usr/lib/systemd/boot/efi/linux$(if $(filter aarch64,$(ARCH)),aa64,x64).efi.stub
# What the EFI file starts with: the role, and a console on the screen and the first serial port.
CONSOLES := $(if $(filter aarch64,$(ARCH)),console=tty0,console=tty0 console=ttyS0$(,)115200)
EFI_CMDLINE ?= tugboot.boot $(CONSOLES)
# The public key (PEM) of signed roots, see tugboot-encryption(7); none by default.
VERITY_KEY ?=
EMPTY_DIRECTORIES := dev/ proc/ root/ run/ sys/ sysroot/ tmp/ usr/lib/
SHELL_FILES := bin/busybox=$(BUSYBOX) bin/sh@busybox

# A kernel is built again when the source package, or the tree in its place, is another one.
$(B)/.kernel-source: FORCE | packages
	$(call keep,$(or $(KERNEL_SRC),$(shell dpkg-query -W linux-source-6.12 2>/dev/null)))

$(B)/$(KERNEL): $(wildcard kernel-config/*.config kernel-config/required* kernel-config/patches/*) \
		kernel-config/build $(B)/.kernel-source $(if $(KERNEL_SRC),FORCE) | packages
	@kernel-config/build $(B)

$(B)/%.stripped: $(B)/%
	$(Q)$(STRIP) -o $@ $<
.PRECIOUS: $(B)/%.stripped

$(B)/.initramfs: FORCE
	$(call keep,DEV=$(DEV) $(if $(filter 1,$(DEV)),$(BUSYBOX)) $(VERITY_KEY))

# Shared libraries of the bootloader: those that it is linked with, and those that it loads when there
# is an encrypted volume. Debian has no static ones of these. In place of what only says "not here" stand
# libraries that say no more than that.
LOADED := libcryptsetup.so.12 libcrypto.so.3 libtss2-esys.so.0 libtss2-mu.so.0
ABSENT := $(addprefix $(B)/absent/,libudev.so.1 libselinux.so.1 libm.so.6)

$(B)/absent/libudev.so.1 $(B)/absent/libselinux.so.1 $(B)/absent/libm.so.6: \
$(B)/absent/%: $(wildcard initramfs/absent/*)
	$(call say,LINK,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) -shared -fPIC -nostartfiles $(COMMON) -ffreestanding -Os -Wl,-soname,$* -Wl,--as-needed \
		-Wl,--version-script=initramfs/absent/$(firstword $(subst ., ,$*)).map \
		-Wl,--build-id=none -s -o $@ initramfs/absent/$(firstword $(subst ., ,$*)).c

# What it is linked with is in the initramfs itself; the others are in a filesystem image in it, of
# which only what is used is ever unpacked. By lz4, since unpacking is most of what
# unlocking costs: five volumes take 58 million instructions, 108 with zstd, for 0.14 MB.
$(B)/libraries.list: $(B)/bootloader initramfs/libraries
	$(Q)initramfs/libraries --compiler '$(CC)' $(B)/bootloader >$@

SQUASHFS := -all-root -all-time 0 -mkfs-time 0 -no-xattrs -comp lz4 -Xhc

$(B)/.squashfs: FORCE
	$(call keep,$(SQUASHFS) $(LOADED))

$(B)/libraries.squashfs: $(B)/libraries.list $(ABSENT) initramfs/libraries $(B)/.squashfs
	$(call say,PACK,$@)
	$(Q)initramfs/libraries --compiler '$(CC)' --absent $(B)/absent $(B)/bootloader $(LOADED) | \
		grep -vxFf $(B)/libraries.list >$(B)/loaded.list
	$(Q)rm -rf $@ $@.d; mkdir $@.d; while IFS='=' read -r path file; do \
		cp "$$file" "$@.d/$${path##*/}"; done <$(B)/loaded.list
	$(Q)mksquashfs $@.d $@ -quiet -no-progress -noappend $(SQUASHFS) >/dev/null; rm -r $@.d

$(B)/initramfs.cpio.zst: $(B)/libraries.squashfs $(B)/libraries.list $(B)/init.stripped $(B)/bootloader.stripped initramfs/pack $(B)/.initramfs $(VERITY_KEY)
	$(call say,PACK,$@$(if $(filter 1,$(DEV)), (with a shell)))
	$(Q)initramfs/pack $@ $(EMPTY_DIRECTORIES) init=$(B)/init.stripped \
		bootloader=$(B)/bootloader.stripped $$(cat $(B)/libraries.list) \
		libraries.squashfs=$(B)/libraries.squashfs \
		$(if $(VERITY_KEY),tugboot-verity.pem=$(VERITY_KEY)) $(if $(filter 1,$(DEV)),$(SHELL_FILES))

$(B)/.efi: FORCE
	$(call keep,$(VERSION) $(STUB) $(EFI_CMDLINE))

$(B)/tugboot.efi: $(B)/$(KERNEL) $(B)/initramfs.cpio.zst efi-stub/efi-image $(B)/.efi
	$(call say,EFI,$@)
	$(Q)efi-stub/efi-image --stub $(STUB) --linux $(B)/$(KERNEL) --initrd $(B)/initramfs.cpio.zst \
		--cmdline '$(EFI_CMDLINE)' --release "$$(cat $(B)/kernel.release)" \
		--os-release $$'ID=tugboot\nNAME=Tugboot\nVERSION_ID=$(VERSION)\nPRETTY_NAME="Tugboot $(VERSION)"\n' \
		--output $@

$(B)/versions.txt: $(B)/$(KERNEL) $(PROGRAMS) scripts/versions
	$(Q)scripts/versions "$$(cat $(B)/kernel.release)" >$@

$(B)/man/%: docs/%.scd | packages
	$(call say,MAN,$@)
	@mkdir -p $(@D)
	$(Q)SOURCE_DATE_EPOCH=0 scdoc <$< >$@
MAN := $(patsubst docs/%.scd,$(B)/man/%,$(sort $(wildcard docs/*.scd)))

IMAGE := $(B)/$(KERNEL) $(B)/initramfs.cpio.zst $(B)/tugboot.efi $(B)/versions.txt

# --- Goals ------------------------------------------------------------------------------------

.PHONY: all run test test-unit test-boot test-long bench fuzz lint format config-page include-path install install-host deb clean help

##   all         the default: $(B)/ with tugboot.efi, vmlinuz, initramfs.cpio.zst, tugboot and tugboot-agent
all: packages $(PROGRAMS) $(IMAGE) $(MAN)

##   run         boot a demonstration disk with two roots in QEMU
run: all
	@$(PYTHON) tests/boot/demo.py

# Each part of the tests writes `passed failed skipped` there, and runs whatever the others did.
RESULTS := $(B)/test-results
# Python tests that need no guest: each directory of them has its own pytest.ini.
HOST_PYTESTS := $(patsubst tests/%/pytest.ini,%,$(filter-out tests/boot/%,$(wildcard tests/*/pytest.ini)))
new_results = rm -rf $(RESULTS); mkdir -p $(RESULTS); export RESULT; status=0
run_unit = RESULT=$(RESULTS)/unit; scripts/run-unit $(UNIT) || status=1
# $(call run_fuzz,SECONDS)
run_fuzz = RESULT=$(RESULTS)/fuzz; scripts/run-fuzz $(1) $(FUZZ) || status=1
# $(call run_pytest,NAME,ARGUMENTS)
run_pytest = RESULT=$(RESULTS)/$(1); scripts/run-pytest $(2) || status=1
# $(call run_tests,SECONDS PER FUZZ TARGET,PYTEST ARGUMENTS)
run_tests = @$(new_results); $(run_unit); $(call run_fuzz,$(1)); \
	$(foreach t,$(HOST_PYTESTS),$(call run_pytest,$(t),$(2) -n $(BOOT_JOBS) tests/$(t));) \
	$(call run_pytest,boot,$(2) -n $(BOOT_JOBS) tests/boot); \
	scripts/test-total $(RESULTS) || status=1; exit $$status
# Guests at a time.
BOOT_JOBS ?= 2

##   test        all tests, with a few seconds for each fuzz target
test: all deb $(UNIT) $(FUZZ) $(DIFFERENTIAL) $(COMMAND)
	$(call run_tests,3,-m 'not long')

##   test-long   all tests and those marked as long, with five minutes for each fuzz target
test-long: all deb $(UNIT) $(FUZZ) $(DIFFERENTIAL) $(COMMAND)
	$(call run_tests,300)

##   test-unit   the unit tests alone
test-unit: packages $(UNIT)
	@scripts/run-unit $(UNIT)

##   test-boot   the boot tests alone; T=EXPRESSION chooses some of them (pytest -k)
test-boot: all deb
	@$(PYTHON) -m pytest -n $(BOOT_JOBS) $(if $(T),-k '$(T)') tests/boot

##   test-NAME   the tests in tests/NAME alone
test-differential: $(DIFFERENTIAL)
test-command: $(COMMAND)
$(HOST_PYTESTS:%=test-%): test-%: all
	@$(PYTHON) -m pytest tests/$*

##   fuzz        every fuzz target for FUZZ_SECONDS=60
fuzz: packages $(FUZZ)
	@scripts/run-fuzz $(FUZZ_SECONDS) $(FUZZ)

##   bench       boot under -icount and print where the guest's instructions go
bench: all
	@$(PYTHON) tests/bench/bench.py

##   lint        format, static checks, scripts, man pages
lint: packages
	@scripts/lint

##   format      rewrite the C files in the house format
format: packages
	@scripts/lint --fix

# The keys in tugboot-config(5) are those of the program; a test compares them. The page is kept as it
# was made, so that it can be read, and made for another architecture, without running the program.
CONFIG_PAGE := docs/tugboot-config.5.scd

##   config-page write the keys of config.json into their man page, after a change of the schema
config-page: $(B)/tugboot
	@{ sed '/^; Keys: made by/q' $(CONFIG_PAGE); echo; $(B)/tugboot config schema --man; \
		sed -n '/^; End of keys/,$$p' $(CONFIG_PAGE); } >$(CONFIG_PAGE).new
	@mv $(CONFIG_PAGE).new $(CONFIG_PAGE)

# For scripts/lint: the layers that files of a directory see.
include-path:
	@echo $(inc_$(DIRECTORY))

##   install     to DESTDIR and PREFIX=/usr/local
install: all
	@$(MAKE) install-host
	install -m 644 $(IMAGE) $(DESTDIR)$(PREFIX)/lib/tugboot
	$(foreach m,$(MAN),install -D -m 644 $(m) \
		$(DESTDIR)$(PREFIX)/share/man/man$(lastword $(subst ., ,$(m)))/$(notdir $(m)) &&) true

# What a root needs, as it was built before: the boot tests put it in theirs. The units are part of
# every boot without being enabled, by links as packages have them.
UNIT_DIR = $(DESTDIR)$(PREFIX)/lib/systemd/system
UNIT_LINKS := basic.target.wants/tugboot-good.service basic.target.wants/tugboot-health.service \
	multi-user.target.wants/tugboot-health-record.service \
	sysinit.target.wants/tugboot-config-boot.service multi-user.target.wants/tugboot-config.service \
	sysinit.target.wants/tugboot-time-boot.service multi-user.target.wants/tugboot-time.service \
	time-sync.target.wants/tugboot-time-wait.service \
	multi-user.target.wants/tugboot-network.service \
	NetworkManager.service.wants/tugboot-network-import.service \
	systemd-networkd.service.wants/tugboot-network-import.service \
	sockets.target.wants/tugboot-sshd.socket sockets.target.wants/tugboot-engine.socket \
	$(foreach t,reboot poweroff halt kexec,$(t).target.wants/tugboot-ended.service)
install-host:
	install -D -m 755 $(B)/tugboot $(DESTDIR)$(PREFIX)/bin/tugboot
	install -D -m 755 $(B)/tugboot-agent $(DESTDIR)$(PREFIX)/lib/tugboot/tugboot-agent
	install -d $(UNIT_DIR)
	ln -sf ../../bin/tugboot $(DESTDIR)$(PREFIX)/lib/tugboot/tugboot-rauc
	install -D -m 644 hostos-agents/data/dnsmasq.conf $(DESTDIR)$(PREFIX)/lib/tugboot/dnsmasq.conf
	install -D -m 644 hostos-agents/data/avahi-ssh.service \
		$(DESTDIR)$(SYSCONFDIR)/avahi/services/tugboot-ssh.service
	$(foreach u,$(wildcard hostos-agents/units/*),\
		sed 's,@PREFIX@,$(PREFIX),g' $(u) | \
			install -m 644 /dev/stdin $(UNIT_DIR)/$(notdir $(u)) &&) true
	$(foreach l,$(UNIT_LINKS),install -d $(UNIT_DIR)/$(dir $(l)) && \
		ln -sf ../$(notdir $(l)) $(UNIT_DIR)/$(l) &&) true
	install -D -m 644 hostos-agents/time/chrony.conf $(DESTDIR)$(SYSCONFDIR)/chrony/tugboot.conf
	install -D -m 644 hostos-agents/time/chrony-unit.conf $(UNIT_DIR)/chrony.service.d/tugboot.conf
	install -D -m 644 hostos-agents/data/console-unit.conf \
		$(UNIT_DIR)/serial-getty@.service.d/10-tugboot.conf

##   deb         Debian packages in $(B)/deb: tugboot-bootloader, tugboot and tugboot-agent
deb: all $(B)/deb/.made

$(B)/deb/.made: $(PROGRAMS) $(IMAGE) $(MAN) scripts/deb Makefile \
		$(wildcard hostos-agents/units/* hostos-agents/data/* hostos-agents/packaging/*)
	$(call say,DEB,$(B)/deb)
	$(Q)rm -rf $(B)/deb
	$(Q)$(MAKE) -s install DESTDIR=$(CURDIR)/$(B)/deb/stage PREFIX=/usr
	$(Q)scripts/deb $(VERSION) $(B)/deb
	$(Q)touch $@

##   clean       remove what was built for this architecture; the cache stays
clean:
	rm -rf $(B)

##   help        this list
help:
	@echo 'make [GOAL]... [ARCH=$(ARCH)] [DEV=1] [WERROR=0] [V=1] [KERNEL_SRC=TREE]'
	@sed -n 's/^##//p' $(firstword $(MAKEFILE_LIST)) | sed 's,\$$(B),$(B),'
