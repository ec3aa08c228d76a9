/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Methods for which somebody must be there, and the key file for development. The console shows a
 * star for each character; nobody at the keyboard costs a minute, a line that types for ever ten, wrong
 * answers cost more and more time, and no answer is asked for more than three times.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/tty.h>
#include <poll.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <termios.h>
#include <unistd.h>

#include "clock.h"
#include "cmdline.h"
#include "fd.h"
#include "log.h"
#include "unlock.h"

#define CONSOLE "/dev/console"
#define ANSWER_MAX 512
#define ATTEMPTS 3
#define PROMPT_SECONDS 60
#define PROMPT_SECONDS_MAX 600
#define ANSWER_PROMPTS 10      /* so many times that long for a whole answer */
#define DERIVATION_SECONDS 120 /* Argon2id of one volume's slots, on a slow processor */

struct console {
	int fd;
	struct termios before;
};

static int console_open(struct console *ret_console)
{
	struct console console = {.fd = open(CONSOLE, O_RDWR | O_NOCTTY | O_CLOEXEC)};
	struct termios raw;

	if (console.fd < 0)
		return -errno;
	if (tcgetattr(console.fd, &console.before) < 0) {
		close(console.fd);
		return -ENOTTY;
	}
	raw = console.before;
	raw.c_iflag &= ~(tcflag_t)(IXON | IXOFF); /* a byte of noise must not hold our output */
	raw.c_lflag &= ~(tcflag_t)(ICANON | ECHO | ISIG);
	raw.c_cc[VMIN] = 1;
	raw.c_cc[VTIME] = 0;
	(void)tcsetattr(console.fd, TCSAFLUSH, &raw); /* what was typed before is no answer */
	*ret_console = console;
	return 0;
}

/* The line discipline keeps what was typed until it is overwritten, which would be after the jump. Its
 * memory is given back, and so wiped, when the terminal changes to another one. */
static void console_wipe(const struct console *console)
{
	static const int disciplines[] = {N_NULL, N_TTY};

	for (size_t i = 0; i < ARRAY_SIZE(disciplines); i++)
		if (ioctl(console->fd, TIOCSETD, &disciplines[i]) < 0)
			log_warn("console", "found=\"what was typed stays in memory\" error=%s",
				 log_errno(errno));
}

static void console_close(struct console *console)
{
	if (console->fd < 0)
		return;
	console_wipe(console);
	(void)tcsetattr(console->fd, TCSAFLUSH, &console->before);
	close(console->fd);
}

static void show(const struct console *console, const char *text)
{
	(void)!write(console->fd, text, strlen(text)); /* nobody may be there to read it */
}

/* Takes one character into the answer; true at its end. */
static bool take_character(const struct console *console, struct secret *answer, char c)
{
	switch (c) {
	case '\r':
	case '\n':
		return true;
	case 0x7f:
	case '\b':
		if (answer->size > 0) {
			answer->data[--answer->size] = 0;
			show(console, "\b \b");
		}
		return false;
	case 'U' - 0x40: /* control-U: from the start */
		while (answer->size > 0) {
			answer->data[--answer->size] = 0;
			show(console, "\b \b");
		}
		return false;
	default:
		if ((unsigned char)c >= ' ' && answer->size < ANSWER_MAX) {
			answer->data[answer->size++] = (uint8_t)c;
			show(console, "*");
		}
		return false;
	}
}

/* One answer. -ETIME when nobody typed for so long, -EOVERFLOW when it does not end, -ECANCELED for an
 * empty one. */
static int read_answer(const char *question, unsigned seconds, struct secret *ret_answer)
{
	_cleanup_(console_close) struct console console = {.fd = -1};
	_secret_ struct secret answer = {0};
	uint64_t end = clock_ms() + 1000u * (uint64_t)ANSWER_PROMPTS * seconds;
	int r;

	r = console_open(&console);
	if (r == 0)
		r = secret_new(ANSWER_MAX, &answer);
	if (r < 0)
		return r;
	answer.size = 0;
	show(&console, "\r\n");
	show(&console, question);
	for (;;) {
		struct pollfd pfd = {.fd = console.fd, .events = POLLIN};
		char c = 0;

		progress_tell(STEP_UNLOCK, 0, seconds + 30);
		r = poll(&pfd, 1, (int)seconds * 1000);
		if (r == 0) {
			show(&console, "\r\n");
			return -ETIME;
		}
		if (r < 0 || read(console.fd, &c, 1) != 1)
			return -EIO;
		if (take_character(&console, &answer, c))
			break;
		if (clock_ms() > end)
			return -EOVERFLOW;
	}
	show(&console, "\r\n");
	if (answer.size == 0)
		return -ECANCELED;
	*ret_answer = secret_take(&answer);
	return 0;
}

static unsigned prompt_seconds(const struct boot *boot)
{
	return cmdline_get_number(boot->cmdline, "tugboot.prompt", PROMPT_SECONDS,
				  PROMPT_SECONDS_MAX);
}

typedef int (*answer_fn)(struct boot *boot, const struct secret *answer);

/* Asks until an answer is right (0), they are used up or nobody is there. */
static int ask_console(struct boot *boot, enum unlock_method method, const char *question,
		       answer_fn take)
{
	int r = -EACCES;

	for (unsigned i = 0; i < ATTEMPTS && r == -EACCES; i++) {
		_secret_ struct secret answer = {0};

		if (i > 0) {
			progress_tell(STEP_UNLOCK, 0, (1u << i) + 30);
			(void)poll(NULL, 0, 1000 << i); /* 2 s, 4 s */
		}
		r = read_answer(question, prompt_seconds(boot), &answer);
		if (r == 0)
			r = take(boot, &answer);
		if (r < 0)
			log_warn("unlock", "by=%s attempt=%u/%u found=\"%s\"",
				 unlock_method_name(method), i + 1, ATTEMPTS,
				 r == -ETIME	   ? "nobody at the console"
				 : r == -ECANCELED ? "no answer"
				 : r == -EOVERFLOW ? "an answer without an end"
				 : r == -EACCES	   ? "a wrong one"
				 : r == -EBUSY	   ? "the TPM is locked out"
				 : r == -ETIMEDOUT ? "the TPM does not answer"
						   : log_errno(r));
	}
	return r;
}

static int take_pin(struct boot *boot, const struct secret *answer)
{
	int r = unlock_by_tpm(boot, answer);

	return r < 0 ? r : 0;
}

int unlock_by_pin(struct boot *boot)
{
	int r;

	if (!unlock_wants_pin(boot))
		return 0;
	r = unlock_tpm_ready(boot); /* nobody is asked for what cannot help */
	if (r < 0)
		return r;
	return ask_console(boot, UNLOCK_PIN, "PIN for this device: ", take_pin);
}

static uint32_t recovery_slots(const struct unlock_volume *volume)
{
	uint32_t slots = 0;

	for (unsigned i = 0; i < volume->tokens; i++)
		if (volume->token[i].kind == TOKEN_RECOVERY)
			slots |= volume->token[i].slots;
	return slots;
}

int unlock_try_passphrase(struct boot *boot, const struct secret *passphrase, bool recovery_only)
{
	for (unsigned i = 0; i < boot->unlock->volumes; i++) {
		struct unlock_volume *volume = &boot->unlock->volume[i];

		if (unlock_is_open(volume))
			continue;
		unlock_volume_tell(volume, DERIVATION_SECONDS);
		if (unlock_volume_key(volume,
				      recovery_only ? recovery_slots(volume) : UNLOCK_ANY_SLOT,
				      passphrase) == 0)
			(void)secret_copy(passphrase->data, passphrase->size, &volume->passphrase);
	}
	return (int)unlock_left(boot->unlock);
}

static int take_recovery(struct boot *boot, const struct secret *answer)
{
	int before = (int)unlock_left(boot->unlock);

	return unlock_try_passphrase(boot, answer, true) < before ? 0 : -EACCES;
}

int unlock_by_recovery(struct boot *boot)
{
	uint32_t slots = 0;

	for (unsigned i = 0; i < boot->unlock->volumes; i++)
		if (!unlock_is_open(&boot->unlock->volume[i]))
			slots |= recovery_slots(&boot->unlock->volume[i]);
	if (!slots)
		return log_err(-ENOKEY, "unlock",
			       "by=recovery found=\"no volume with a recovery key\" "
			       "next=\"ask for none\"");
	return ask_console(boot, UNLOCK_RECOVERY, "Recovery key for this device: ", take_recovery);
}

int unlock_by_keyfile(struct boot *boot)
{
	_close_ int fd = open(UNLOCK_KEY_FILE, O_RDONLY | O_CLOEXEC);
	_secret_ struct secret key = {0};
	ssize_t n;
	int r;

	if (fd < 0)
		return log_err(-errno, "unlock", "by=keyfile expected=%s error=%s", UNLOCK_KEY_FILE,
			       log_errno(errno));
	r = secret_new(SECRET_MAX, &key);
	if (r < 0)
		return r;
	n = read(fd, key.data, key.size);
	if (n <= 0)
		return log_err(-EIO, "unlock", "by=keyfile file=%s found=\"cannot be read\"",
			       UNLOCK_KEY_FILE);
	key.size = (size_t)n;
	log_warn("unlock", "by=keyfile found=\"a key in the image\" expected=\"development only\"");
	return unlock_try_passphrase(boot, &key, false);
}

void unlock_keyfile_done(void)
{
	static const char zeros[SECRET_MAX];
	_close_ int fd = open(UNLOCK_KEY_FILE, O_WRONLY | O_CLOEXEC);
	struct stat st;

	if (fd < 0)
		return;
	/* In a root directory that is memory it is overwritten where it is. */
	if (fstat(fd, &st) == 0)
		for (off_t at = 0; at < st.st_size; at += SECRET_MAX)
			(void)!pwrite(fd, zeros, (size_t)MIN(st.st_size - at, SECRET_MAX), at);
	(void)unlink(UNLOCK_KEY_FILE);
}
