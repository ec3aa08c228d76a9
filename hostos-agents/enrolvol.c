/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Encrypted volumes of a command: see enrolvol.h. */
#include "enrolvol.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "ask.h"
#include "disk.h"
#include "fd.h"

#define DISKS_MAX 64
#define ATTEMPTS 3
#define WEAK_ITERATIONS 1000 /* of key slots for random passphrases */

const char *enrol_error(int r)
{
	switch (r) {
	case -EOPNOTSUPP:
		return "libcryptsetup is not installed";
	case -EMEDIUMTYPE:
		return "it is not a LUKS2 volume";
	case -EBADMSG:
		return "its header is damaged";
	case -ENOKEY:
		return "no key slot takes this passphrase";
	case -ENOSPC:
		return "there is no room in its header";
	default:
		return strerror(-r);
	}
}

/* ---- one volume ---- */

static void forget_tokens(struct enrol_volume *volume)
{
	for (unsigned i = 0; i < LUKS_TOKENS; i++) {
		free(volume->token[i]);
		volume->token[i] = NULL;
		volume->unreadable[i] = NULL;
	}
}

static int read_token(struct enrol_volume *volume, int i)
{
	_free_ struct token *token = calloc(1, sizeof(*token));
	const char *json, *what = "JSON";
	int r;

	if (!token)
		return -ENOMEM;
	r = luks_token(volume->luks, i, &json);
	if (r == 0)
		r = token_parse(json, token, &what);
	if (r == -ENOMEM)
		return r;
	if (r < 0)
		volume->unreadable[i] = what;
	else
		volume->token[i] = take_ptr(token);
	return 0;
}

int enrol_reread(struct enrol_volume *volume)
{
	int r;

	forget_tokens(volume);
	luks_close(volume->luks);
	volume->luks = NULL;
	r = luks_open(volume->dev, &volume->luks);
	if (r == 0)
		r = luks_info(volume->luks, &volume->info);
	for (int i = 0; r == 0 && i < LUKS_TOKENS; i++)
		if (volume->info.tokens & 1u << i)
			r = read_token(volume, i);
	return r;
}

/* Not flock(2): libcryptsetup takes that one on image files, for each single write. */
static enum result lock(struct enrol_volume *volume)
{
	struct flock whole = {.l_type = F_WRLCK, .l_whence = SEEK_SET};

	volume->lock_fd = open(volume->dev, O_RDWR | O_CLOEXEC);
	if (volume->lock_fd < 0)
		return complain("cannot open %s to write: %s", volume->dev, strerror(errno));
	if (fcntl(volume->lock_fd, F_OFD_SETLK, &whole) == 0)
		return RESULT_OK;
	if (errno == EAGAIN || errno == EACCES)
		return complain("%s is in use by another run of this command, or given twice: "
				"try again",
				volume->dev);
	return complain("cannot lock %s: %s", volume->dev, strerror(errno));
}

/* ---- which volumes ---- */

static enum part_role role_of_name(const char *name, size_t len)
{
	for (enum part_role role = PART_NONE + 1; role < PART_ROLE_COUNT; role++)
		if (strlen(partname_of(role)) == len && memcmp(partname_of(role), name, len) == 0)
			return role;
	return PART_NONE;
}

/* A device that is the partition of a role on one of the disks here. */
static enum part_role role_of_device(const char *dev)
{
	static char names[DISKS_MAX][32];
	static struct disk disk;
	size_t n = disk_list(names, DISKS_MAX);
	struct stat st, other;

	if (stat(dev, &st) < 0 || !S_ISBLK(st.st_mode))
		return PART_NONE;
	for (size_t i = 0; i < n; i++) {
		if (disk_probe(names[i], &disk) < 0)
			continue;
		for (enum part_role role = PART_NONE + 1; role < PART_ROLE_COUNT; role++)
			if (disk.role[role].present && stat(disk.role[role].dev, &other) == 0 &&
			    other.st_rdev == st.st_rdev)
				return role;
	}
	return PART_NONE;
}

static enum result add_volume(struct enrol_volumes *volumes, const char *dev, enum part_role role,
			      bool to_write)
{
	struct enrol_volume *volume = &volumes->volume[volumes->n];
	enum result result;
	int r;

	if (volumes->n == ENROL_VOLUMES_MAX)
		return complain("more than %d volumes", ENROL_VOLUMES_MAX);
	volumes->n++;
	*volume = (struct enrol_volume){.dev = strdup(dev), .lock_fd = -1};
	if (!volume->dev)
		return complain("no memory");
	result = to_write ? lock(volume) : RESULT_OK;
	if (result != RESULT_OK)
		return result;
	r = enrol_reread(volume);
	if (r < 0)
		return complain("cannot use %s: %s", dev, enrol_error(r));
	if (role == PART_NONE)
		role = partname_role(volume->info.label, NULL);
	if (role == PART_NONE)
		role = role_of_device(dev);
	if (role == PART_NONE && to_write)
		return complain("%s has no label such as tug-rootA that says what it is: give it "
				"as ROLE=%s",
				dev, dev);
	volume->role = role == PART_NONE ? "none" : partname_of(role);
	return RESULT_OK;
}

static bool is_volume(const struct disk *disk, enum part_role role)
{
	return disk->role[role].present && streq(disk->role[role].fstype, DISK_LUKS);
}

static bool has_volumes(const struct disk *disk)
{
	for (enum part_role role = PART_NONE + 1; role < PART_ROLE_COUNT; role++)
		if (is_volume(disk, role))
			return true;
	return false;
}

/* The disk that / is on; where that cannot be told, as on an encrypted root, the one disk that has
 * volumes with a role. */
static enum result find_disk(struct disk *ret_disk)
{
	static char names[DISKS_MAX][32];
	static struct disk disk;
	size_t n, found = 0;
	char name[32];

	if (disk_of_path("/", name) == 0 && disk_probe(name, ret_disk) == 0 &&
	    has_volumes(ret_disk))
		return RESULT_OK;
	n = disk_list(names, DISKS_MAX);
	for (size_t i = 0; i < n; i++) {
		if (disk_probe(names[i], &disk) < 0 || !has_volumes(&disk))
			continue;
		found++;
		*ret_disk = disk;
	}
	if (found == 1)
		return RESULT_OK;
	return complain(found == 0 ? "no disk here has encrypted volumes with a role (see "
				     "tugboot(1)): name the volumes"
				   : "more than one disk has encrypted volumes with a role: name "
				     "the volumes");
}

static enum result add_all(struct enrol_volumes *volumes, const struct disk *disk, bool to_write)
{
	enum result result = RESULT_OK;

	for (enum part_role role = PART_NONE + 1; role < PART_ROLE_COUNT && result == RESULT_OK;
	     role++)
		if (is_volume(disk, role))
			result = add_volume(volumes, disk->role[role].dev, role, to_write);
	return result;
}

static enum result add_named(struct enrol_volumes *volumes, const char *name, bool to_write)
{
	static struct disk disk;
	const char *equals = strchr(name, '=');
	enum part_role role = role_of_name(name, equals ? (size_t)(equals - name) : strlen(name));
	enum result result;

	if (equals && role != PART_NONE)
		return add_volume(volumes, equals + 1, role, to_write);
	if (equals || role == PART_NONE)
		return add_volume(volumes, name, PART_NONE, to_write);
	result = find_disk(&disk);
	if (result != RESULT_OK)
		return result;
	if (!is_volume(&disk, role))
		return complain("%s has no encrypted volume %s", disk.name, name);
	return add_volume(volumes, disk.role[role].dev, role, to_write);
}

enum result enrol_open(const struct options *options, char **args, bool to_write,
		       struct enrol_volumes *ret_volumes)
{
	static struct disk disk;
	enum result result = RESULT_OK;

	(void)options; /* --boot names a directory, and volumes have names of their own */
	if (!args[0]) {
		result = find_disk(&disk);
		return result == RESULT_OK ? add_all(ret_volumes, &disk, to_write) : result;
	}
	for (size_t i = 0; args[i] && result == RESULT_OK; i++)
		result = add_named(ret_volumes, args[i], to_write);
	return result;
}

void enrol_close(struct enrol_volumes *volumes)
{
	for (unsigned i = 0; i < volumes->n; i++) {
		struct enrol_volume *volume = &volumes->volume[i];

		secret_done(&volume->key);
		forget_tokens(volume);
		luks_close(volume->luks);
		close_p(&volume->lock_fd);
		free(volume->dev);
	}
	volumes->n = 0;
}

/* ---- volume keys ---- */

/* As it is, and as text whose last line has an end that the passphrase has not. */
static int try_passphrase(struct enrol_volume *volume, struct secret *passphrase)
{
	int r = luks_volume_key(volume->luks, -1, passphrase, &volume->key);

	if (r != -ENOKEY || passphrase->size < 2 || passphrase->data[passphrase->size - 1] != '\n')
		return r;
	passphrase->size--;
	r = luks_volume_key(volume->luks, -1, passphrase, &volume->key);
	if (r == -ENOKEY)
		passphrase->size++;
	return r;
}

static enum result ask_key(struct enrol_volume *volume, struct secret *passphrase)
{
	char prompt[300];

	(void)snprintf(prompt, sizeof(prompt), "passphrase or recovery key of %s (%.200s)",
		       volume->role, volume->dev);
	for (unsigned i = 0; i < ATTEMPTS; i++) {
		enum result result;
		int r;

		secret_done(passphrase);
		result = ask_terminal(prompt, passphrase);
		if (result != RESULT_OK)
			return result;
		r = try_passphrase(volume, passphrase);
		if (r == 0)
			return RESULT_OK;
		(void)complain("%s: %s", volume->dev, enrol_error(r));
		if (r != -ENOKEY)
			break;
	}
	return RESULT_FAILED;
}

enum result enrol_keys(const struct options *options, struct enrol_volumes *volumes)
{
	_secret_ struct secret passphrase = {0};
	enum result result = RESULT_OK;

	if (options->key_file)
		result = ask_file(options->key_file, "passphrase", &passphrase);
	for (unsigned i = 0; i < volumes->n && result == RESULT_OK; i++) {
		struct enrol_volume *volume = &volumes->volume[i];
		int r = -ENOKEY;

		if (volume->key.data)
			continue;
		/* What opened the one before mostly opens this one. */
		if (passphrase.data)
			r = try_passphrase(volume, &passphrase);
		if (r == -ENOKEY && !options->key_file)
			result = ask_key(volume, &passphrase);
		else if (r < 0)
			result = complain("cannot get the key of %s: %s", volume->dev,
					  enrol_error(r));
	}
	return result;
}

/* ---- tokens and their key slots ---- */

uint32_t enrol_tokens(const struct enrol_volume *volume, unsigned kinds)
{
	uint32_t tokens = 0;

	for (unsigned i = 0; i < LUKS_TOKENS; i++)
		if (volume->token[i] && kinds & 1u << volume->token[i]->kind)
			tokens |= 1u << i;
	return tokens;
}

/* A planned slot counts when it is one that a run of ours makes. Between the plan and the slot somebody else may
 * have taken its number for a passphrase of theirs. */
static bool is_weak(const struct luks_slot *slot)
{
	return slot->used && !slot->argon2 && slot->iterations <= WEAK_ITERATIONS;
}

uint32_t enrol_slots_of(const struct enrol_volume *volume, uint32_t tokens)
{
	uint32_t going = 0, staying = 0, used = 0;

	for (unsigned i = 0; i < LUKS_TOKENS; i++) {
		const struct token *token = volume->token[i];

		if (!token)
			continue;
		if (!(tokens & 1u << i)) {
			staying |= token->slots;
			continue;
		}
		going |= token->slots;
		for (unsigned slot = 0; slot < LUKS_SLOTS; slot++)
			if (token->planned & 1u << slot && is_weak(&volume->info.slot[slot]))
				going |= 1u << slot;
	}
	for (unsigned slot = 0; slot < LUKS_SLOTS; slot++)
		if (volume->info.slot[slot].used)
			used |= 1u << slot;
	return going & ~staying & used;
}

bool enrol_opens_without(const struct enrol_volume *volume, uint32_t tokens)
{
	uint32_t going = enrol_slots_of(volume, tokens);

	for (unsigned slot = 0; slot < LUKS_SLOTS; slot++)
		if (volume->info.slot[slot].used && volume->info.slot[slot].bound &&
		    !(going & 1u << slot))
			return true;
	return false;
}

/*
 * The key slot goes first: libcryptsetup takes its number out of the tokens in the same write of the header. A
 * cut then leaves a token without a slot, which a boot knows and the next run removes. The other way
 * round it would leave a slot that no token tells about, and a boot under a policy must take that for a
 * weak passphrase and refuse the volume.
 */
int enrol_remove(struct enrol_volume *volume, uint32_t tokens)
{
	uint32_t slots = enrol_slots_of(volume, tokens);
	int r = 0;

	if (tokens == 0)
		return 0;
	for (int slot = 0; slot < LUKS_SLOTS && r == 0; slot++)
		if (slots & 1u << slot)
			r = luks_slot_remove(volume->luks, slot);
	for (int i = 0; i < LUKS_TOKENS && r == 0; i++)
		if (tokens & 1u << i)
			r = luks_token_remove(volume->luks, i);
	return r < 0 ? r : enrol_reread(volume);
}

/* ---- what a cut left ---- */

static bool is_ours(const struct token *token)
{
	return token->kind == TOKEN_TUGBOOT_TPM2 || streq(token->type, "tugboot-recovery");
}

/* A token that is planned was not finished; one without a key slot is half removed (systemd's, too,
 * which are of no use without). */
static uint32_t leftovers(const struct enrol_volume *volume)
{
	uint32_t tokens = 0;

	for (unsigned i = 0; i < LUKS_TOKENS; i++) {
		const struct token *token = volume->token[i];

		if (!token)
			continue;
		if (is_ours(token) && (token->planned || !token->slots))
			tokens |= 1u << i;
		if (token->kind == TOKEN_SYSTEMD_TPM2 && !token->slots)
			tokens |= 1u << i;
	}
	return tokens;
}

/* With a half enrolment goes the systemd token beside it, and, as nobody was told that it succeeded, what is
 * finished of the same one on other volumes. */
static uint32_t belonging(const struct enrol_volumes *volumes, const struct enrol_volume *volume)
{
	uint32_t tokens = leftovers(volume), slots;

	for (unsigned v = 0; v < volumes->n; v++)
		for (unsigned i = 0; i < LUKS_TOKENS; i++) {
			const struct token *half = volumes->volume[v].token[i];

			if (!half || half->kind != TOKEN_TUGBOOT_TPM2 || !half->planned)
				continue;
			for (unsigned k = 0; k < LUKS_TOKENS; k++)
				if (volume->token[k] && token_same_secret(half, volume->token[k]))
					tokens |= 1u << k;
		}
	slots = 0;
	for (unsigned i = 0; i < LUKS_TOKENS; i++)
		if (tokens & 1u << i)
			slots |= volume->token[i]->slots | volume->token[i]->planned;
	for (unsigned i = 0; i < LUKS_TOKENS; i++)
		if (volume->token[i] && volume->token[i]->kind == TOKEN_SYSTEMD_TPM2 &&
		    volume->token[i]->slots && !(volume->token[i]->slots & ~slots))
			tokens |= 1u << i;
	return tokens;
}

static bool is_planned(const struct enrol_volume *volume)
{
	for (unsigned i = 0; i < LUKS_TOKENS; i++)
		if (volume->token[i] && volume->token[i]->planned)
			return true;
	return false;
}

/* Those that are planned go last: they are what tells that the others are not finished, if a cut
 * comes now. */
enum result enrol_clean(struct enrol_volumes *volumes)
{
	uint32_t tokens[ENROL_VOLUMES_MAX];
	unsigned order[ENROL_VOLUMES_MAX], n = 0;

	for (int planned = 0; planned < 2; planned++)
		for (unsigned v = 0; v < volumes->n; v++)
			if (is_planned(&volumes->volume[v]) == planned)
				order[n++] = v;
	for (unsigned i = 0; i < n; i++)
		tokens[i] = belonging(volumes, &volumes->volume[order[i]]);
	for (unsigned i = 0; i < n; i++) {
		struct enrol_volume *volume = &volumes->volume[order[i]];
		int r;

		if (tokens[i] == 0)
			continue;
		if (!enrol_opens_without(volume, tokens[i]))
			return complain("%s has nothing but what an earlier run left half done: "
					"add a passphrase with cryptsetup(8) first",
					volume->dev);
		r = enrol_remove(volume, tokens[i]);
		if (r < 0)
			return complain("cannot remove from %s what an earlier run left: %s",
					volume->dev, enrol_error(r));
	}
	return RESULT_OK;
}
