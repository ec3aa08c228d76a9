/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * nl80211's requests about the country; see regulatory.h. The kernel's messages are trusted to be
 * the kernel's (the sender's port is checked), and read within their bounds all the same.
 */
#include "regulatory.h"

#include <errno.h>
#include <linux/genetlink.h>
#include <linux/netlink.h>
#include <linux/nl80211.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/time.h>

#include "fd.h"
#include "slice.h"

#define WIRELESS_DIR "/sys/class/ieee80211" /* is there as long as cfg80211 is loaded */
#define ANSWER_S 2			    /* the kernel answers at once */
#define BUFFER 16384
#define ATTRIBUTE_HEADER sizeof(struct nlattr)

struct request {
	struct nlmsghdr header;
	struct genlmsghdr genl;
	char attributes[64];
};

static size_t align(size_t size)
{
	return (size + NLA_ALIGNTO - 1) / NLA_ALIGNTO * NLA_ALIGNTO;
}

static void request_init(struct request *request, uint16_t family, uint8_t command)
{
	*request = (struct request){
		.header = {.nlmsg_len = NLMSG_LENGTH(GENL_HDRLEN),
			   .nlmsg_type = family,
			   .nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK,
			   .nlmsg_seq = 1},
		.genl = {.cmd = command, .version = 1},
	};
}

/* A text as attribute; it must fit, which is the caller's to know. */
static void request_add(struct request *request, uint16_t type, const char *text, size_t len)
{
	struct nlattr attribute = {.nla_len = (uint16_t)(ATTRIBUTE_HEADER + len + 1),
				   .nla_type = type};
	char *at = (char *)request + request->header.nlmsg_len;

	memcpy(at, &attribute, sizeof(attribute));
	memcpy(at + ATTRIBUTE_HEADER, text, len);
	at[ATTRIBUTE_HEADER + len] = '\0';
	request->header.nlmsg_len += (uint32_t)align(attribute.nla_len);
}

/* The attribute of this type, without its header; {NULL, 0} when it is not there. */
static struct slice find_attribute(struct slice attributes, uint16_t type)
{
	while (attributes.len >= ATTRIBUTE_HEADER) {
		struct nlattr attribute;
		size_t size;

		memcpy(&attribute, attributes.data, sizeof(attribute));
		if (attribute.nla_len < ATTRIBUTE_HEADER || attribute.nla_len > attributes.len)
			break;
		if ((attribute.nla_type & NLA_TYPE_MASK) == type)
			return slice_of(attributes.data + ATTRIBUTE_HEADER,
					attribute.nla_len - ATTRIBUTE_HEADER);
		size = align(attribute.nla_len);
		attributes = slice_from(attributes, MIN(size, attributes.len));
	}
	return slice_of(NULL, 0);
}

static bool is_text(struct slice value, const char *text)
{
	return value.len == strlen(text) + 1 && memcmp(value.data, text, value.len) == 0;
}

static bool take_u32(struct slice value, uint32_t *ret)
{
	if (value.len != sizeof(*ret))
		return false;
	memcpy(ret, value.data, sizeof(*ret));
	return true;
}

/* A message's generic header and attributes. */
static bool split_message(const struct nlmsghdr *header, struct genlmsghdr *ret_genl,
			  struct slice *ret_attributes)
{
	if (header->nlmsg_len < NLMSG_LENGTH(GENL_HDRLEN))
		return false;
	memcpy(ret_genl, NLMSG_DATA(header), sizeof(*ret_genl));
	*ret_attributes = slice_of((const char *)NLMSG_DATA(header) + GENL_HDRLEN,
				   header->nlmsg_len - (size_t)NLMSG_LENGTH(GENL_HDRLEN));
	return true;
}

/* The next datagram that is the kernel's. Its size, or a negative errno. */
static ssize_t receive(int fd, char *buf, size_t size)
{
	for (;;) {
		struct sockaddr_nl from = {0};
		socklen_t from_size = sizeof(from);
		ssize_t n = recvfrom(fd, buf, size, 0, (struct sockaddr *)&from, &from_size);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (from_size == sizeof(from) && from.nl_pid == 0)
			return n;
	}
}

typedef void answer_fn(struct slice attributes, void *arg);

/* Sends a request on a socket of its own and waits for the end of the answer. */
static int ask(const struct request *request, answer_fn *answer, void *arg)
{
	_close_ int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_GENERIC);
	const struct timeval patience = {.tv_sec = ANSWER_S};
	_free_ char *buf = malloc(BUFFER);

	if (!buf)
		return -ENOMEM;
	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)) < 0 ||
	    send(fd, request, request->header.nlmsg_len, 0) < 0)
		return -errno;
	for (;;) {
		ssize_t n = receive(fd, buf, BUFFER);
		size_t left = n < 0 ? 0 : (size_t)n;

		if (n < 0)
			return n == -EAGAIN ? -ETIMEDOUT : (int)n;
		for (const struct nlmsghdr *header = (struct nlmsghdr *)buf; NLMSG_OK(header, left);
		     header = NLMSG_NEXT(header, left)) {
			struct slice attributes;
			struct genlmsghdr genl;

			if (header->nlmsg_type == NLMSG_ERROR) { /* 0 is the acknowledgement */
				const struct nlmsgerr *error = NLMSG_DATA(header);

				return header->nlmsg_len < NLMSG_LENGTH(sizeof(*error))
					       ? -EBADMSG
					       : error->error;
			}
			if (answer && split_message(header, &genl, &attributes))
				answer(attributes, arg);
		}
	}
}

/* --- Families --------------------------------------------------------------------------------- */

struct family {
	const char *group; /* whose number is looked for */
	uint32_t group_id;
	uint16_t id;
};

static void on_family(struct slice attributes, void *arg)
{
	struct slice id = find_attribute(attributes, CTRL_ATTR_FAMILY_ID);
	struct slice groups = find_attribute(attributes, CTRL_ATTR_MCAST_GROUPS);
	struct family *family = arg;

	if (id.len == sizeof(family->id))
		memcpy(&family->id, id.data, sizeof(family->id));
	/* Groups are attributes numbered from 1. */
	for (uint16_t n = 1; n < 32; n++) {
		struct slice group = find_attribute(groups, n);

		if (group.data &&
		    is_text(find_attribute(group, CTRL_ATTR_MCAST_GRP_NAME), family->group) &&
		    !take_u32(find_attribute(group, CTRL_ATTR_MCAST_GRP_ID), &family->group_id))
			family->group_id = 0;
	}
}

static int find_family(const char *name, struct family *family)
{
	struct request request;
	int r;

	request_init(&request, GENL_ID_CTRL, CTRL_CMD_GETFAMILY);
	request_add(&request, CTRL_ATTR_FAMILY_NAME, name, strlen(name));
	r = ask(&request, on_family, family);
	if (r < 0)
		return r;
	return family->id > 0 && family->group_id > 0 ? 0 : -EBADMSG;
}

/* To ask for a family that is not there makes the kernel load its module. */
static int find_nl80211(struct family *family)
{
	int r;

	if (access(WIRELESS_DIR, F_OK) < 0)
		return -ENODEV;
	*family = (struct family){.group = NL80211_MULTICAST_GROUP_CONFIG};
	r = find_family(NL80211_GENL_NAME, family);
	return r == -ENOENT ? -ENODEV : r;
}

/* --- News ------------------------------------------------------------------------------------- */

static int join(int fd, const struct family *family)
{
	return setsockopt(fd, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, &family->group_id,
			  sizeof(family->group_id)) < 0
		       ? -errno
		       : 0;
}

int regulatory_open(int *ret_fd)
{
	_close_ int fd =
		socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_GENERIC);
	const struct sockaddr_nl any = {.nl_family = AF_NETLINK};
	struct family control = {.group = "notify"}, wireless;
	int r;

	if (fd < 0 || bind(fd, (const struct sockaddr *)&any, sizeof(any)) < 0)
		return -errno;
	/* Families first: one that comes after this and before the next step is news. */
	r = find_family("nlctrl", &control);
	if (r >= 0)
		r = join(fd, &control);
	if (r >= 0) {
		r = find_nl80211(&wireless);
		r = r == -ENODEV ? 0 : r < 0 ? r : join(fd, &wireless);
	}
	if (r < 0)
		return r;
	*ret_fd = take_fd(fd);
	return 0;
}

static bool is_news(int fd, const struct nlmsghdr *header)
{
	struct slice attributes;
	struct genlmsghdr genl;
	struct family wireless;

	if (!split_message(header, &genl, &attributes))
		return false;
	if (header->nlmsg_type != GENL_ID_CTRL)
		return genl.cmd == NL80211_CMD_NEW_WIPHY;
	if (genl.cmd != CTRL_CMD_NEWFAMILY ||
	    !is_text(find_attribute(attributes, CTRL_ATTR_FAMILY_NAME), NL80211_GENL_NAME))
		return false;
	/* What cannot be joined because it is gone again comes with another message. */
	if (find_nl80211(&wireless) == 0)
		(void)join(fd, &wireless);
	return true;
}

int regulatory_news(int fd)
{
	_free_ char *buf = malloc(BUFFER);
	bool news = false;

	if (!buf)
		return -ENOMEM;
	for (;;) {
		ssize_t n = receive(fd, buf, BUFFER);
		size_t left = n < 0 ? 0 : (size_t)n;

		if (n == -EAGAIN)
			return news;
		if (n == -ENOBUFS) {
			news = true;
			continue;
		}
		if (n < 0)
			return (int)n;
		for (const struct nlmsghdr *header = (struct nlmsghdr *)buf; NLMSG_OK(header, left);
		     header = NLMSG_NEXT(header, left))
			news = is_news(fd, header) || news;
	}
}

/* --- The country ------------------------------------------------------------------------------ */

int regulatory_set(const char country[2])
{
	struct family wireless;
	struct request request;
	int r;

	r = find_nl80211(&wireless);
	if (r < 0)
		return r;
	request_init(&request, wireless.id, NL80211_CMD_REQ_SET_REG);
	request_add(&request, NL80211_ATTR_REG_ALPHA2, country, 2);
	return ask(&request, NULL, NULL);
}

static void on_country(struct slice attributes, void *arg)
{
	struct slice country = find_attribute(attributes, NL80211_ATTR_REG_ALPHA2);
	char *text = arg;

	if (country.len >= 2)
		memcpy(text, country.data, 2);
}

int regulatory_get(char ret_country[3])
{
	struct family wireless;
	struct request request;
	char country[3] = "";
	int r;

	r = find_nl80211(&wireless);
	if (r < 0)
		return r;
	request_init(&request, wireless.id, NL80211_CMD_GET_REG);
	r = ask(&request, on_country, country);
	if (r < 0)
		return r;
	if (!country[0])
		return -EBADMSG;
	memcpy(ret_country, country, sizeof(country));
	return 0;
}
