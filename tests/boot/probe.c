/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The operating system of the boot tests: the first process of the kernel that Tugboot started. It
 * says on the console what it sees, one `PROBE key=value` a line, then does what it was told to.
 *
 * It runs as /init of an initrd (it finds and mounts root= by itself, as any initrd would), and as
 * /sbin/init of a root that Tugboot's OS role has switched to.
 *
 * An initrd that has the file /etc/commands runs it before it looks for the root.
 *
 * What to do: `probe=` on the command line, else the file /etc/probe in the root; a list separated
 * by commas:
 *
 *	poweroff	also when there is nothing left to do
 *	reboot, panic, hang
 *	sleep		3 s
 *	eat		all memory
 *	watchdog N	leave the hardware watchdog running, with N seconds
 *	last		say what the hardware says of earlier kernels: the records that they left, and
 *			why the watchdog thinks that it was reset
 *	tugboot ...	the command under test, with these arguments; as /init with --boot, since it
 *			has no root to look from. `status` and `good` are short for two of them.
 *	tpm		say what the TPM's PCRs hold, and the firmware's event log
 *	commands	run the programs that the file /etc/commands of the initrd names, one a line,
 *			and say how each ended; words are NAME=VALUE for its environment, then its
 *			path and arguments
 *	ask		say so, read such a list from the console, do it, again and again
 *
 * Trusts the tests, which write everything that it reads.
 */
#include <blkid/blkid.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/watchdog.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/klog.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

static const char *const filesystems[] = {"ext4", "squashfs", "erofs", "vfat", NULL};
static const char *const boot_labels[] = {"tug-boot", "resin-boot", "balena-boot", NULL};

static char cmdline[4096];
static bool initrd;

/* One line in one write, so that it reaches the console in one piece. */
static void __attribute__((format(printf, 1, 2))) say(const char *fmt, ...)
{
	static char line[sizeof(cmdline) + 256];
	va_list args;
	int n;

	va_start(args, fmt);
	n = vsnprintf(line, sizeof(line) - 1, fmt, args);
	va_end(args);
	if (n < 0)
		return;
	if ((size_t)n >= sizeof(line) - 1)
		n = sizeof(line) - 2;
	line[n++] = '\n';
	if (write(STDOUT_FILENO, line, (size_t)n) != n)
		return; /* nobody left to tell */
	(void)tcdrain(STDOUT_FILENO);
}

/* Reads a text file without its last newline; empty when there is none. */
static void read_text(const char *path, char *buf, size_t size)
{
	ssize_t n = -1;
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd >= 0) {
		n = read(fd, buf, size - 1);
		(void)close(fd);
	}
	buf[n > 0 ? n : 0] = '\0';
	buf[strcspn(buf, "\n")] = '\0';
}

/* The value of the last `key=` on the command line, without quotes; false when there is none. */
static bool parameter(const char *key, char *buf, size_t size)
{
	size_t n = strlen(key);
	bool found = false, quoted = false;

	for (const char *p = cmdline; *p;) {
		const char *word = p;

		for (; *p && (quoted || *p != ' '); p++)
			if (*p == '"')
				quoted = !quoted;
		if (strncmp(word, key, n) == 0 && word[n] == '=') {
			size_t len = 0;

			for (const char *v = word + n + 1; v < p && len + 1 < size; v++)
				if (*v != '"')
					buf[len++] = *v;
			buf[len] = '\0';
			found = true;
		}
		while (*p == ' ')
			p++;
	}
	return found;
}

static void console_open(void)
{
	int fd;

	(void)mkdir("/dev", 0755);
	(void)mount("dev", "/dev", "devtmpfs", 0, NULL); /* the OS role has it already */
	fd = open("/dev/console", O_RDWR | O_NOCTTY);
	if (fd < 0)
		_exit(1);
	for (int i = 0; i < 3; i++)
		(void)dup2(fd, i);
	/* The kernel's own lines would land in the middle of ours. */
	(void)klogctl(6, NULL, 0);
}

/* Waits for the device of a tag such as UUID=…; NULL when it does not come. */
static char *wait_for(const char *tag)
{
	for (int i = 0; i < 300; i++) {
		char *dev = tag[0] == '/' ? strdup(tag) : blkid_evaluate_spec(tag, NULL);

		if (dev && access(dev, F_OK) == 0)
			return dev;
		free(dev);
		usleep(100000);
	}
	return NULL;
}

static bool mount_any(const char *dev, const char *dir, unsigned long flags, const char **ret_fs)
{
	for (size_t i = 0; filesystems[i]; i++) {
		if (mount(dev, dir, filesystems[i], flags, NULL) == 0) {
			*ret_fs = filesystems[i];
			return true;
		}
	}
	return false;
}

/* Finds root= as an initrd does. */
static void find_root(void)
{
	char spec[256], name[256];
	const char *fs;
	char *dev;

	if (!parameter("root", spec, sizeof(spec))) {
		say("PROBE root=none");
		return;
	}
	dev = wait_for(spec);
	if (!dev) {
		say("PROBE root=absent");
		return;
	}
	(void)mkdir("/sysroot", 0755);
	if (!mount_any(dev, "/sysroot", MS_RDONLY, &fs)) {
		say("PROBE root=unmountable dev=%s errno=%d", dev, errno);
		return;
	}
	read_text("/sysroot/etc/root-name", name, sizeof(name));
	say("PROBE root=%s dev=%s fs=%s", name, dev, fs);
	free(dev);
}

static void say_mounts(void)
{
	char line[512];
	FILE *mounts = fopen("/proc/self/mounts", "re");

	if (!mounts)
		return;
	while (fgets(line, sizeof(line), mounts)) {
		line[strcspn(line, "\n")] = '\0';
		say("PROBE mount=%s", line);
	}
	(void)fclose(mounts);
}

static bool mount_boot(void)
{
	const char *fs;

	(void)mkdir("/boot", 0755);
	for (size_t i = 0; boot_labels[i]; i++) {
		char *dev = blkid_evaluate_tag("LABEL", boot_labels[i], NULL);

		if (dev && mount_any(dev, "/boot", 0, &fs))
			return true;
		free(dev);
	}
	say("PROBE boot=unmountable");
	return false;
}

/* Runs the command under test; its own lines go to the console. */
static void tugboot(char *arguments)
{
	const char *argv[16] = {"tugboot"};
	const char *verb;
	char *rest = NULL;
	size_t n = 1;
	int status;
	pid_t pid;

	if (initrd) {
		if (!mount_boot())
			return;
		argv[n++] = "--boot";
		argv[n++] = "/boot";
	}
	verb = strtok_r(arguments, " ", &rest);
	for (const char *word = verb; word && n < 15; word = strtok_r(NULL, " ", &rest))
		argv[n++] = word;
	pid = fork();
	if (pid == 0) {
		execv("/usr/bin/tugboot", (char *const *)(uintptr_t)argv);
		say("PROBE tugboot=missing errno=%d", errno);
		_exit(127);
	}
	if (pid < 0 || waitpid(pid, &status, 0) < 0)
		status = -1;
	say("PROBE tugboot=%s exit=%d", verb, WIFEXITED(status) ? WEXITSTATUS(status) : 255);
	if (initrd)
		(void)umount("/boot");
}

/* Nobody serves it from now on. */
static void start_watchdog(int seconds)
{
	int fd = open("/dev/watchdog", O_WRONLY | O_CLOEXEC);

	if (fd < 0 || ioctl(fd, WDIOC_SETTIMEOUT, &seconds) < 0)
		say("PROBE watchdog=none errno=%d", errno);
}

static void say_last(void)
{
	struct dirent *entry;
	char status[32];
	DIR *dir;

	(void)mount("pstore", "/sys/fs/pstore", "pstore", 0, NULL);
	dir = opendir("/sys/fs/pstore");
	while (dir && (entry = readdir(dir))) {
		struct stat st;

		if (entry->d_name[0] != '.' && fstatat(dirfd(dir), entry->d_name, &st, 0) == 0)
			say("PROBE record=%s size=%lld time=%lld.%09ld", entry->d_name,
			    (long long)st.st_size, (long long)st.st_mtim.tv_sec,
			    st.st_mtim.tv_nsec);
	}
	if (dir)
		(void)closedir(dir);
	read_text("/sys/class/watchdog/watchdog0/bootstatus", status, sizeof(status));
	say("PROBE bootstatus=%s", status);
}

/* A binary file as lines of hexadecimal digits. */
static void say_hex(const char *key, const char *path)
{
	unsigned char data[256];
	char digits[2 * sizeof(data) + 1];
	FILE *file = fopen(path, "re");
	size_t n;

	if (!file) {
		say("PROBE %s=none errno=%d", key, errno);
		return;
	}
	while ((n = fread(data, 1, sizeof(data), file)) > 0) {
		for (size_t i = 0; i < n; i++)
			(void)sprintf(digits + 2 * i, "%02x", data[i]);
		say("PROBE %s=%s", key, digits);
	}
	(void)fclose(file);
}

static void say_tpm(void)
{
	static const char *const banks[] = {"sha1", "sha256", "sha384", "sha512"};
	char path[128], value[160];

	for (size_t i = 0; i < sizeof(banks) / sizeof(banks[0]); i++)
		for (int pcr = 0; pcr < 24; pcr++) {
			(void)snprintf(path, sizeof(path), "/sys/class/tpm/tpm0/pcr-%s/%d",
				       banks[i], pcr);
			read_text(path, value, sizeof(value));
			if (value[0])
				say("PROBE pcr=%s:%d:%s", banks[i], pcr, value);
		}
	(void)mount("security", "/sys/kernel/security", "securityfs", 0, NULL);
	say_hex("tpmlog", "/sys/kernel/security/tpm0/binary_bios_measurements");
}

/* Becomes what one line of /etc/commands says. */
static void command(char *line)
{
	char *argv[32], *rest = NULL;
	size_t n = 0;

	for (char *word = strtok_r(line, " ", &rest); word && n < 31;
	     word = strtok_r(NULL, " ", &rest))
		if (n > 0 || word[0] == '/')
			argv[n++] = word;
		else
			(void)putenv(word);
	argv[n] = NULL;
	if (n > 0)
		(void)execv(argv[0], argv);
	_exit(127);
}

static void commands(void)
{
	FILE *file = fopen("/etc/commands", "re");
	char line[512];

	for (unsigned n = 1; file && fgets(line, sizeof(line), file); n++) {
		int status;
		pid_t pid;

		line[strcspn(line, "\n")] = '\0';
		pid = fork();
		if (pid == 0)
			command(line);
		if (pid < 0 || waitpid(pid, &status, 0) < 0)
			status = -1;
		say("PROBE command=%u exit=%d", n, WIFEXITED(status) ? WEXITSTATUS(status) : 255);
	}
	if (file)
		(void)fclose(file);
}

static void eat(void)
{
	for (;;) {
		char *page = malloc(1 << 20);

		if (page)
			memset(page, 1, 1 << 20);
	}
}

static void act_all(char *list);

/* Does what is typed on the console until that ends the system. */
static void ask(void)
{
	char line[512];

	for (;;) {
		ssize_t n;

		say("PROBE ask");
		n = read(STDIN_FILENO, line, sizeof(line) - 1);
		if (n <= 0)
			return;
		line[n] = '\0';
		line[strcspn(line, "\r\n")] = '\0';
		act_all(line);
	}
}

static void act(char *word)
{
	if (strcmp(word, "status") == 0)
		tugboot((char[]){"status"});
	else if (strcmp(word, "good") == 0)
		tugboot((char[]){"slot good"});
	else if (strncmp(word, "tugboot ", 8) == 0)
		tugboot(word + 8);
	else if (strncmp(word, "watchdog ", 9) == 0)
		start_watchdog(atoi(word + 9));
	else if (strcmp(word, "last") == 0)
		say_last();
	else if (strcmp(word, "tpm") == 0)
		say_tpm();
	else if (strcmp(word, "commands") == 0)
		commands();
	else if (strcmp(word, "ask") == 0)
		ask();
	else if (strcmp(word, "eat") == 0)
		eat();
	else if (strcmp(word, "sleep") == 0)
		(void)sleep(3);
	else if (strcmp(word, "hang") == 0)
		for (;;)
			(void)pause();
	else if (strcmp(word, "panic") == 0)
		_exit(1); /* the end of PID 1 is a kernel panic */
	else if (strcmp(word, "reboot") == 0)
		(void)reboot(RB_AUTOBOOT);
	else if (strcmp(word, "poweroff") == 0)
		(void)reboot(RB_POWER_OFF);
	else
		say("PROBE unknown=%s", word);
}

static void act_all(char *list)
{
	char *rest = NULL;

	for (char *word = strtok_r(list, ",", &rest); word; word = strtok_r(NULL, ",", &rest)) {
		act(word);
		sync();
	}
}

int main(int argc, char *argv[])
{
	char actions[256], name[256];
	struct utsname kernel;

	initrd = argc > 0 && strcmp(argv[0], "/init") == 0;
	console_open();
	(void)mkdir("/proc", 0755);
	(void)mkdir("/sys", 0755);
	(void)mount("proc", "/proc", "proc", 0, NULL);
	(void)mount("sys", "/sys", "sysfs", 0, NULL);
	read_text("/proc/cmdline", cmdline, sizeof(cmdline));
	say("PROBE role=%s", initrd ? "initrd" : "init");
	say("PROBE cmdline=%s", cmdline);
	if (uname(&kernel) == 0)
		say("PROBE kernel=%s", kernel.release);
	if (initrd) {
		/* Which initrd this is: the test put a name in it. */
		read_text("/etc/initrd-name", name, sizeof(name));
		say("PROBE initrd=%s", name);
		commands();
		find_root();
	} else {
		read_text("/etc/root-name", name, sizeof(name));
		say("PROBE root=%s", name);
	}
	say_mounts();
	if (!parameter("probe", actions, sizeof(actions)))
		read_text(initrd ? "/sysroot/etc/probe" : "/etc/probe", actions, sizeof(actions));
	say("PROBE end=%s", actions);
	sync();
	act_all(actions);
	(void)reboot(RB_POWER_OFF);
	return 1;
}
