/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* LUKS2 tokens and PCR signatures: lib/trust/token.c. */
#include "token.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base64.h"
#include "exact.h"
#include "macro.h"

/* systemd-cryptenroll 252 --tpm2-pcrs=7, of a software TPM. */
static const char plain[] =
	"{\"type\":\"systemd-tpm2\",\"keyslots\":[\"1\"],\"tpm2-blob\":\"AJ4AICGOWR/0VY/7hN8Z"
	"VP+XfEBl0VtQc/TUsW8opRELOCQ2ABCyZVbc7jTHGaurZ8hGaoejFSg++QRB1mm7zk4iZIK/2GFFD+efFNKx"
	"wnrQcTKlXhxuJ57U/quhBrQptldvR8n8lY6NDuzDmHxRH+ZMEalrT7gbwjW+IunOH8/SoM63Um8XuHKi5f8q"
	"fD03LRc06RQIwD2BYp64S766VABOAAgACwAAABIAIItWgtgbKUNdCNeSeBUGEdx+WSOy/vzOaEoJV3tAEwqL"
	"ABAAIOncGRxJ+wOq9UdyOH/yE5oOBKOYzCr9zqpTbKG3wuMp\",\"tpm2-pcrs\":[7],\"tpm2-pcr-bank"
	"\":\"sha256\",\"tpm2-primary-alg\":\"ecc\",\"tpm2-policy-hash\":\"8b5682d81b29435d08"
	"d79278150611dc7e5923b2fefcce684a09577b40130a8b\",\"tpm2-pin\":false}";

/* --tpm2-pcrs=0+7 --tpm2-with-pin=yes */
static const char with_pin[] =
	"{\"type\":\"systemd-tpm2\",\"keyslots\":[\"1\"],\"tpm2-blob\":\"AJ4AIPuGlllR3Y1NaUj3"
	"oCTnVzBBl0YfPTj2sUBRRg7oT0GDABA+qMOIPPE2jXUg5UYQ68vE2K/5ihSb3P853iR96JOUWWOkWEFRc1t4"
	"Da2qWlq01YqJqf/3stHTavLqiEnVOP8PD4gI18MBXSZ8rOclYwSglEALbxhruCi7Kg6AfF9u7hX1jRRahgNy"
	"Shup9HhSeOwagd/q2Pk/Y0oSmABOAAgACwAAABIAIKRZ8zUdSHBtQrapIJOPVuKLc1ZgKgJ4TPDze29a6waM"
	"ABAAICxHqq14Q/SHrWmUxZXzOvSGgQSzz80gxKjMi+km+HpZ\",\"tpm2-pcrs\":[0,7],\"tpm2-pcr-ba"
	"nk\":\"sha256\",\"tpm2-primary-alg\":\"ecc\",\"tpm2-policy-hash\":\"a459f3351d48706d"
	"42b6a920938f56e28b7356602a02784cf0f37b6f5aeb068c\",\"tpm2-pin\":true}";

/* --tpm2-pcrs=7 --tpm2-public-key=pub.pem --tpm2-public-key-pcrs=11 */
static const char signed_policy[] =
	"{\"type\":\"systemd-tpm2\",\"keyslots\":[\"1\"],\"tpm2-blob\":\"AJ4AIBnVP7bEymhkm4+R"
	"0tuHhS9COAfXlV20eNFbqR1ARjw9ABDR+Z/rd0w8spfsBVXJD54WZ6h421H5KBcwcTd68YvpIvAA31bcFPXu"
	"zouTAX0M9SDUYuO0lF1ujEEzHeZFxIUVRDuAC/WcQ0CWgt73R3DGVWDdQa5avPlkTaiChNPwmV7reMFFlvgP"
	"ch4onQN/1A8s7G3IPAUN0bY17QBOAAgACwAAABIAIArD1Vna0qY7/uNVDqCM9tmXEkZNs/gb6NqndUVOD83S"
	"ABAAINSgjbvcwx/RMsFxGXB2sFnbCJ08TlJ+f3YncLKo+FVf\",\"tpm2-pcrs\":[7],\"tpm2-pcr-bank"
	"\":\"sha256\",\"tpm2-primary-alg\":\"ecc\",\"tpm2-policy-hash\":\"0ac3d559dad2a63bfe"
	"e3550ea08cf6d99712464db3f81be8daa775454e0fcdd2\",\"tpm2-pin\":false,\"tpm2_pubkey_pc"
	"rs\":[11],\"tpm2_pubkey\":\"LS0tLS1CRUdJTiBQVUJMSUMgS0VZLS0tLS0KTUlJQklqQU5CZ2txaGtp"
	"Rzl3MEJBUUVGQUFPQ0FROEFNSUlCQ2dLQ0FRRUFxN09zWmNTbmlaWjFEY1FCckxFegptYmd2ZXl6UHlFTmJU"
	"TE8zYkRKSzQ4Uk5KSlQ4WHFWVDRSV3pmZWRyNXdOR2pKVktKempnKzRES0RUbFNlMHR1Ckg0SFBMcmVjYklP"
	"anM4Q3RFeFduaUozL0lFNGlscFRFeGxGbXN3YVNMaGxLZjZCSFBnSGIxUzFTcU41WUgzVloKOTUxMDE3SGZO"
	"UVpibXd4ZUVmL3Q1VHRNZlJnUDh5RGFkN2J5MnpWNUFmVldSQWpxci9SMXdMelFpakFBWndlago1SHZieHZu"
	"enY2c3Q3aFZSbjNsSjBWMjhrNUZFUTJZTkhBWnJMeEd3YWdORVozUFN5RkxQTFp5Q0l4OHBINWg4ClpHeDJ3"
	"QnoySlZjSW8wTEF4eGpwQk5uY0JNUjdWRE9zNnhSNm9pWHpOTGpORHpQTE9hWmxQRlRCY21XUDBWb0sKMHdJ"
	"REFRQUIKLS0tLS1FTkQgUFVCTElDIEtFWS0tLS0tCg==\"}";

/* --tpm2-pcrs= --tpm2-public-key=pub.pem --tpm2-public-key-pcrs=11+12 --tpm2-with-pin=yes */
static const char signed_with_pin[] =
	"{\"type\":\"systemd-tpm2\",\"keyslots\":[\"1\"],\"tpm2-blob\":\"AJ4AIPuSMNIZwlEyrcJ2"
	"nbCbtBGFGXaW34SNmrW0XxborftPABCR8Q1+5Wh7/QA1aRW2U/DdlHqZ1oQ1wy3vNrXRgDv4FW/VkIxF/wXl"
	"utkDyYZpDeDiCKrZcrbeE7QdeAk+vdOXSUK0NsgP2LaQNef6Lbor4ART2TrCN+E0I8hECUWywY3slmB/15T3"
	"nc9C8K3Cvp6o8oyd6SCXvckwVgBOAAgACwAAABIAINgBlXPkSJ9FztQdyk9HOnydYz4iEC9MhrvLLUgaNP6S"
	"ABAAIA4lNkBhT6+XQRNshwjZNV9Cmv9EDUnElEa1YkE0Heyn\",\"tpm2-pcrs\":[],\"tpm2-pcr-bank"
	"\":\"sha256\",\"tpm2-primary-alg\":\"ecc\",\"tpm2-policy-hash\":\"d8019573e4489f45ce"
	"d41dca4f473a7c9d633e22102f4c86bbcb2d481a34fe92\",\"tpm2-pin\":true,\"tpm2_pubkey_pcr"
	"s\":[11,12],\"tpm2_pubkey\":\"LS0tLS1CRUdJTiBQVUJMSUMgS0VZLS0tLS0KTUlJQklqQU5CZ2txaG"
	"tpRzl3MEJBUUVGQUFPQ0FROEFNSUlCQ2dLQ0FRRUFxN09zWmNTbmlaWjFEY1FCckxFegptYmd2ZXl6UHlFTm"
	"JUTE8zYkRKSzQ4Uk5KSlQ4WHFWVDRSV3pmZWRyNXdOR2pKVktKempnKzRES0RUbFNlMHR1Ckg0SFBMcmVjYk"
	"lPanM4Q3RFeFduaUozL0lFNGlscFRFeGxGbXN3YVNMaGxLZjZCSFBnSGIxUzFTcU41WUgzVloKOTUxMDE3SG"
	"ZOUVpibXd4ZUVmL3Q1VHRNZlJnUDh5RGFkN2J5MnpWNUFmVldSQWpxci9SMXdMelFpakFBWndlago1SHZieH"
	"ZuenY2c3Q3aFZSbjNsSjBWMjhrNUZFUTJZTkhBWnJMeEd3YWdORVozUFN5RkxQTFp5Q0l4OHBINWg4ClpHeD"
	"J3QnoySlZjSW8wTEF4eGpwQk5uY0JNUjdWRE9zNnhSNm9pWHpOTGpORHpQTE9hWmxQRlRCY21XUDBWb0sKMH"
	"dJREFRQUIKLS0tLS1FTkQgUFVCTElDIEtFWS0tLS0tCg==\"}";

/* systemd-measure 252 sign --bank=sha1 --bank=sha256, for that key. */
static const char signatures[] =
	"{\"sha1\":[{\"pcrs\":[11],\"pkfp\":\"65ea42ad4bf3a9661341d5075b67f23a461e3d99afb606a"
	"6124a4bd435c3c02b\",\"pol\":\"716c723624f9d7750c4ba61953b91e51fca60e029253db317416fb"
	"19e1a5bff7\",\"sig\":\"PYwhqWj3HoO4ChqmV9pGCfBFm0h4fJqtMXBuCbGJtezkMyVwNMgDsIKrLn3ti"
	"M83/ZNNzqWdToVE6aC3JpCTMf0cOnHhonrIpuy/ae7fJ+iNYtptaaNPbfLcjVkQbqom4s5JZ+CSoCjYC5ItZ"
	"KtcsBQsy16BymHBu9aQ6dzARfYDceta0WrT7OlEnmV8KyLlSoYpWu+yeHKfHUJPMC7ORaSumlZaNt9el6iSH"
	"zXxTuYC7ie+pkJss+RCylBsnl2rEea5ys5gKsUIIjPW2PwmnbJ15xI8YiAsb059krYcPi0EvumuZ1ydjAfKQ"
	"/uiLJ6kc8CgVkm7RPs/IjaQ3GONzQ==\"}],\"sha256\":[{\"pcrs\":[11],\"pkfp\":\"65ea42ad4b"
	"f3a9661341d5075b67f23a461e3d99afb606a6124a4bd435c3c02b\",\"pol\":\"7b83ccbc8a6600fd9"
	"702559ca2621c020ed12dc418d5b7e76fd14ca8f67cbf90\",\"sig\":\"qjpzhK6bkOqgLIpvQSrEDr/A"
	"zvk9Iy1Y9ZC/jstooDw643OwOkFg2ZPBSZxwz8qSVuZOI2/1LswQ6DrWj23yoQPWjJgVDitDkvdEl/gYo/VX"
	"N82ddQ7PctpYn0Rrki83Msc12eaSNg/j8Mavb6HDKbHZbr8wuwwDschDhhOTiivNd53PX0FmlMCpS5StVxo8"
	"lJvujSMBZXnumw9LNsWu48/whWkJh/CSmp0k8MLZyuOt4j8c2UJ9qhqXFa3vI5L3FATLVG8hz75PWqOc4Urd"
	"XhTue6PDinOCZnUywREArTcP/Ofx3YIz1/9yfLe2Y7fuuzq1bF73NdBg2a+1w9jKZA==\"}]}";

/* That key. */
static const char pubkey[] = "-----BEGIN PUBLIC KEY-----\n"
			     "MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEAq7OsZcSniZZ1DcQBrLEz\n"
			     "mbgveyzPyENbTLO3bDJK48RNJJT8XqVT4RWzfedr5wNGjJVKJzjg+4DKDTlSe0tu\n"
			     "H4HPLrecbIOjs8CtExWniJ3/IE4ilpTExlFmswaSLhlKf6BHPgHb1S1SqN5YH3VZ\n"
			     "951017HfNQZbmwxeEf/t5TtMfRgP8yDad7by2zV5AfVWRAjqr/R1wLzQijAAZwej\n"
			     "5Hvbxvnzv6st7hVRn3lJ0V28k5FEQ2YNHAZrLxGwagNEZ3PSyFLPLZyCIx8pH5h8\n"
			     "ZGx2wBz2JVcIo0LAxxjpBNncBMR7VDOs6xR6oiXzNLjNDzPLOaZlPFTBcmWP0VoK\n"
			     "0wIDAQAB\n"
			     "-----END PUBLIC KEY-----\n";

static const char recovery[] = "{\"type\":\"systemd-recovery\",\"keyslots\":[\"2\"]}";

/* Of the samples' blobs: the byte of the public attributes that noDA is in. */
#define NODA_AT (2 + 0x9e + 2 + 6)
#define NODA_BIT 0x04

static struct token token;
static const char *what;

static int parse(const char *json)
{
	what = NULL;
	return token_parse(exact(json, strlen(json) + 1), &token, &what);
}

static void expect_parsed(const char *json)
{
	int r = parse(json);

	if (r < 0 || what)
		fail_msg("%d, %s: %s", r, what ? what : "no reason", json);
}

static void expect_refused(const char *json, int error, const char *reason)
{
	static const struct token before;
	int r;

	memset(&token, 0, sizeof(token));
	r = parse(json);
	if (r != error || !what || !streq(what, reason))
		fail_msg("%d, %s instead of %s: %s", r, what ? what : "no reason", reason, json);
	assert_memory_equal(&token, &before, sizeof(token));
}

/* The text with one place in it changed; static. */
static const char *with(const char *json, const char *old, const char *new)
{
	static char text[65536];
	const char *at = strstr(json, old);

	if (!at)
		fail_msg("no %s", old);
	else
		(void)snprintf(text, sizeof(text), "%.*s%s%s", (int)(at - json), json, new,
			       at + strlen(old));
	return text;
}

static void expect_same_again(const char *json)
{
	char *again;

	expect_parsed(json);
	assert_int_equal(token_format(&token, &again), 0);
	assert_string_equal(again, json);
	free(again);
}

static void expect_policy_hash(const char *hex)
{
	char text[2 * TPM_SHA256_SIZE + 1];

	assert_true(token.sealed.has_policy_hash);
	hex_encode(token.sealed.policy_hash, TPM_SHA256_SIZE, text);
	assert_string_equal(text, hex);
}

static void what_systemd_enrols_is_read(void **state)
{
	(void)state;
	expect_parsed(plain);
	assert_int_equal(token.kind, TOKEN_SYSTEMD_TPM2);
	assert_string_equal(token.type, "systemd-tpm2");
	assert_int_equal(token.slots, 1u << 1);
	assert_ptr_equal(token.sealed.blob, token.blob);
	assert_int_equal(token.sealed.blob_size, 240);
	assert_int_equal(token.blob[1], 0x9e);
	assert_int_equal(token.sealed.primary, TPM_PRIMARY_ECC);
	assert_false(token.sealed.noda);
	assert_int_equal(token.sealed.bank, TPM_BANK_SHA256);
	assert_int_equal(token.sealed.branches, 1);
	assert_int_equal(token.sealed.branch[0].pcrs, 1u << 7);
	assert_null(token.sealed.pubkey_pem);
	assert_int_equal(token.sealed.pubkey_pcrs, 0);
	assert_false(token.sealed.pin);
	expect_policy_hash("8b5682d81b29435d08d79278150611dc7e5923b2fefcce684a09577b40130a8b");

	expect_parsed(with_pin);
	assert_int_equal(token.sealed.branch[0].pcrs, 1u << 0 | 1u << 7);
	assert_true(token.sealed.pin);
}

static void a_signed_policy_brings_its_key(void **state)
{
	(void)state;
	expect_parsed(signed_policy);
	assert_int_equal(token.sealed.branches, 1);
	assert_int_equal(token.sealed.branch[0].pcrs, 1u << 7);
	assert_int_equal(token.sealed.pubkey_pcrs, 1u << 11);
	assert_ptr_equal(token.sealed.pubkey_pem, token.pem);
	assert_int_equal(token.sealed.pubkey_size, strlen(pubkey));
	assert_string_equal(token.sealed.pubkey_pem, pubkey);

	expect_parsed(signed_with_pin);
	assert_int_equal(token.sealed.branches, 0);
	assert_int_equal(token.sealed.pubkey_pcrs, 1u << 11 | 1u << 12);
	assert_true(token.sealed.pin);
}

static void systemds_tokens_are_written_as_systemd_does(void **state)
{
	(void)state;
	expect_same_again(plain);
	expect_same_again(with_pin);
	expect_same_again(signed_policy);
	expect_same_again(signed_with_pin);
	expect_same_again(recovery);
	expect_same_again("{\"type\":\"tugboot-recovery\",\"keyslots\":[\"0\",\"9\",\"31\"]}");
}

static void what_older_releases_left_out_has_its_default(void **state)
{
	(void)state;
	expect_parsed(
		with(plain, ",\"tpm2-pcr-bank\":\"sha256\",\"tpm2-primary-alg\":\"ecc\"", ""));
	assert_int_equal(token.sealed.bank, TPM_BANK_SHA256);
	assert_int_equal(token.sealed.primary, TPM_PRIMARY_ECC);
	expect_parsed(with(plain, ",\"tpm2-pin\":false", ""));
	assert_false(token.sealed.pin);
}

static void banks_and_primary_keys_are_told_apart(void **state)
{
	(void)state;
	expect_parsed(with(plain, "\"ecc\"", "\"rsa\""));
	assert_int_equal(token.sealed.primary, TPM_PRIMARY_RSA);
	for (enum tpm_bank bank = 0; bank < TPM_BANK_COUNT; bank++) {
		char name[16];

		(void)snprintf(name, sizeof(name), "\"%s\"", tpm_bank_name(bank));
		expect_parsed(with(plain, "\"sha256\"", name));
		assert_int_equal(token.sealed.bank, bank);
	}
}

static void what_a_boot_does_not_open_is_known_by_its_slots(void **state)
{
	static const struct {
		const char *json;
		enum token_kind kind;
		uint32_t slots;
	} cases[] = {
		{"{\"type\":\"systemd-recovery\",\"keyslots\":[\"2\"]}", TOKEN_RECOVERY, 1u << 2},
		{"{\"type\":\"tugboot-recovery\",\"keyslots\":[\"31\",\"0\"]}", TOKEN_RECOVERY,
		 1u << 31 | 1},
		{"{\"type\":\"systemd-fido2\",\"keyslots\":[\"3\"],\"fido2-rp\":\"x\"}",
		 TOKEN_SYSTEMD_OTHER, 1u << 3},
		{"{\"type\":\"systemd-pkcs11\",\"keyslots\":[]}", TOKEN_SYSTEMD_OTHER, 0},
		{"{\"type\":\"luks2-keyring\",\"keyslots\":[]}", TOKEN_SYSTEMD_OTHER, 0},
		{"{\"type\":\"clevis\",\"keyslots\":[\"1\"],\"jwe\":{}}", TOKEN_UNKNOWN, 1u << 1},
		{"{\"type\":\"systemd-tpm3\",\"keyslots\":[\"1\"]}", TOKEN_UNKNOWN, 1u << 1},
		{"{\"type\":\"\",\"keyslots\":[\"1\"]}", TOKEN_UNKNOWN, 1u << 1},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		expect_parsed(cases[i].json);
		assert_int_equal(token.kind, cases[i].kind);
		assert_int_equal(token.slots, cases[i].slots);
		assert_null(token.sealed.blob);
	}
}

/* --- Tugboot's own ------------------------------------------------------------------------- */

/* Two branches with all that explains them, a role and a wrapped key. */
static struct token *given_tugboot(void)
{
	static struct token own;
	struct tpm_sealed *sealed;

	expect_parsed(signed_policy);
	own = token;
	own.kind = TOKEN_TUGBOOT_TPM2;
	(void)snprintf(own.type, sizeof(own.type), "tugboot-tpm2");
	own.blob[NODA_AT] |= NODA_BIT;
	sealed = &own.sealed;
	sealed->blob = own.blob;
	sealed->pubkey_pem = own.pem;
	sealed->noda = true;
	sealed->branches = 2;
	sealed->branch[1].pcrs = 1u << 0 | 1u << 23;
	memset(sealed->branch[0].digest, 0x11, TPM_SHA256_SIZE);
	memset(sealed->branch[1].digest, 0x22, TPM_SHA256_SIZE);
	(void)snprintf(own.role, sizeof(own.role), "rootA");
	own.wrapped_size = 92;
	memset(own.wrapped, 0x33, own.wrapped_size);
	(void)snprintf(own.hint[0].name, sizeof(own.hint[0].name), "now \"quoted\" / slash");
	own.hint[0].values.pcrs = 1u << 7;
	own.hint[0].values.bank = TPM_BANK_SHA256;
	memset(own.hint[0].values.value[7], 0x44, TPM_SHA256_SIZE);
	own.hint[1].values.bank = TPM_BANK_SHA256;
	own.hint[1].events = 3;
	own.hint[1].event[0].pcr = 0;
	own.hint[1].event[1].pcr = 0;
	own.hint[1].event[2].pcr = 23;
	memcpy(own.hint[1].event[1].digest, "\x01\x02\x03\x04", 4);
	memcpy(own.hint[1].event[2].digest, "\xff\xff\xff\xff", 4);
	return &own;
}

/* As text; static. */
static const char *tugboot(void)
{
	static char text[65536];
	char *json;

	assert_int_equal(token_format(given_tugboot(), &json), 0);
	(void)snprintf(text, sizeof(text), "%s", json);
	free(json);
	return text;
}

static void our_own_token_says_again_all_that_was_written(void **state)
{
	const char *json = tugboot();
	const struct token *own = given_tugboot();

	(void)state;
	expect_same_again(json);
	assert_int_equal(token.kind, TOKEN_TUGBOOT_TPM2);
	assert_true(token.sealed.noda);
	assert_int_equal(token.sealed.blob_size, own->sealed.blob_size);
	assert_memory_equal(token.sealed.blob, own->blob, own->sealed.blob_size);
	assert_int_equal(token.sealed.branches, 2);
	assert_memory_equal(token.sealed.branch, own->sealed.branch, sizeof(own->sealed.branch));
	assert_string_equal(token.role, "rootA");
	assert_int_equal(token.wrapped_size, own->wrapped_size);
	assert_memory_equal(token.wrapped, own->wrapped, own->wrapped_size);
	assert_memory_equal(token.hint, own->hint, sizeof(own->hint));
	assert_int_equal(token.sealed.pubkey_pcrs, own->sealed.pubkey_pcrs);
	assert_string_equal(token.sealed.pubkey_pem, pubkey);
}

static void an_enrolment_under_way_names_the_slot_that_comes(void **state)
{
	const char *json = "{\"type\":\"tugboot-recovery\",\"keyslots\":[],"
			   "\"slots-planned\":[\"5\"]}";
	struct token *own = given_tugboot();
	char *text;

	(void)state;
	expect_same_again(json);
	assert_int_equal(token.slots, 0);
	assert_int_equal(token.planned, 1u << 5);
	own->slots = 0;
	own->planned = 1u << 31 | 1;
	assert_int_equal(token_format(own, &text), 0);
	expect_same_again(text);
	assert_int_equal(token.planned, 1u << 31 | 1);
	free(text);
	own->planned = 0;
	assert_int_equal(token_format(own, &text), 0);
	assert_null(strstr(text, "planned"));
	free(text);
	expect_refused("{\"type\":\"tugboot-recovery\",\"keyslots\":[],\"slots-planned\":[5]}",
		       -EBADMSG, "slots-planned");
	expect_refused("{\"type\":\"tugboot-recovery\",\"keyslots\":[],\"slots-planned\":[\"32\"]}",
		       -EBADMSG, "slots-planned");
	/* Other programs' tokens have no plans. */
	expect_parsed("{\"type\":\"clevis\",\"keyslots\":[],\"slots-planned\":[\"5\"]}");
	assert_int_equal(token.planned, 0);
}

static void values_are_of_the_banks_size(void **state)
{
	struct token *own = given_tugboot();
	char *json;

	(void)state;
	own->sealed.bank = TPM_BANK_SHA512;
	memset(own->hint[0].values.value[7], 0x55, 64);
	assert_int_equal(token_format(own, &json), 0);
	expect_parsed(json);
	assert_int_equal(token.sealed.bank, TPM_BANK_SHA512);
	assert_memory_equal(token.hint[0].values.value[7], own->hint[0].values.value[7], 64);
	expect_refused(with(json, "\"sha512\"", "\"sha384\""), -EBADMSG, "tpm2-policies");
	free(json);
}

static void eight_branches_are_as_many_as_there_may_be(void **state)
{
	struct token *own = given_tugboot();
	char *json;

	(void)state;
	own->sealed.branches = TPM_BRANCHES_MAX;
	for (unsigned i = 0; i < TPM_BRANCHES_MAX; i++) {
		own->sealed.branch[i].pcrs = 1u << i;
		own->hint[i].events = TOKEN_EVENTS_MAX;
		own->hint[i].values.pcrs = (1u << TPM_PCRS) - 1;
	}
	assert_int_equal(token_format(own, &json), 0);
	assert_true(strlen(json) < TOKEN_JSON_MAX);
	expect_parsed(json);
	assert_int_equal(token.sealed.branches, TPM_BRANCHES_MAX);
	assert_int_equal(token.hint[7].events, TOKEN_EVENTS_MAX);
	expect_refused(
		with(json, "\"tpm2-policies\":[",
		     "\"tpm2-policies\":[{\"pcrs\":[1],\"digest\":"
		     "\"1111111111111111111111111111111111111111111111111111111111111111\"},"),
		-EBADMSG, "tpm2-policies");
	expect_refused(with(json, "\"events\":{\"0\":[", "\"events\":{\"0\":[\"00000000\","),
		       -EBADMSG, "tpm2-policies");
	free(json);
}

/* Nobody needs to know anything then. */
static void a_token_of_ours_has_some_policy(void **state)
{
	struct token *own = given_tugboot();
	char *json;

	(void)state;
	own->sealed.branches = 0;
	assert_int_equal(token_format(own, &json), 0);
	expect_parsed(json);
	free(json);
	own->sealed.pubkey_pem = NULL;
	own->sealed.pubkey_size = 0;
	own->sealed.pubkey_pcrs = 0;
	assert_int_equal(token_format(own, &json), -EINVAL);
}

/* Tugboot's secrets without a PIN never lock the TPM; a PIN is never tried for nothing. */
static void dictionary_attack_protection_is_on_for_pins_alone(void **state)
{
	struct token *own = given_tugboot();
	char *json;

	(void)state;
	own->sealed.pin = true;
	assert_int_equal(token_format(own, &json), -EINVAL);
	own->blob[NODA_AT] &= (uint8_t)~NODA_BIT;
	assert_int_equal(token_format(own, &json), 0);
	expect_refused(with(json, "\"tpm2-pin\":true", "\"tpm2-pin\":false"), -EBADMSG,
		       "noDA of the blob");
	free(json);
	own->sealed.pin = false;
	assert_int_equal(token_format(own, &json), -EINVAL);

	expect_parsed(with_pin);
	token.blob[NODA_AT] |= NODA_BIT;
	assert_int_equal(token_format(&token, &json), -EINVAL);
}

static void what_could_not_be_read_again_is_not_written(void **state)
{
	struct token *own;
	char *json = NULL;

	(void)state;
	own = given_tugboot();
	own->kind = TOKEN_SYSTEMD_TPM2;
	assert_int_equal(token_format(own, &json), -EINVAL);
	own = given_tugboot();
	own->kind = TOKEN_UNKNOWN;
	assert_int_equal(token_format(own, &json), -EINVAL);
	own = given_tugboot();
	own->sealed.branches = TPM_BRANCHES_MAX + 1;
	assert_int_equal(token_format(own, &json), -EINVAL);
	own = given_tugboot();
	own->sealed.branch[1].pcrs = 0;
	assert_int_equal(token_format(own, &json), -EINVAL);
	own = given_tugboot();
	own->sealed.blob_size--;
	assert_int_equal(token_format(own, &json), -EINVAL);
	own = given_tugboot();
	own->sealed.policy_hash[0] ^= 1;
	assert_int_equal(token_format(own, &json), -EINVAL);
	own = given_tugboot();
	own->sealed.bank = TPM_BANK_COUNT;
	assert_int_equal(token_format(own, &json), -EINVAL);
	own = given_tugboot();
	own->sealed.pubkey_pcrs = 0;
	assert_int_equal(token_format(own, &json), -EINVAL);
	own = given_tugboot();
	own->role[0] = '\0';
	assert_int_equal(token_format(own, &json), -EINVAL);
	own = given_tugboot();
	own->role[1] = '\n';
	assert_int_equal(token_format(own, &json), -EINVAL);
	own = given_tugboot();
	own->wrapped_size = TOKEN_WRAPPED_MAX + 1;
	assert_int_equal(token_format(own, &json), -EINVAL);
	own = given_tugboot();
	own->hint[1].event[2].pcr = TPM_PCRS;
	assert_int_equal(token_format(own, &json), -EINVAL);
	own = given_tugboot();
	own->hint[1].events = TOKEN_EVENTS_MAX + 1;
	assert_int_equal(token_format(own, &json), -EINVAL);
	own = given_tugboot();
	(void)snprintf(own->type, sizeof(own->type), "systemd-tpm2");
	assert_int_equal(token_format(own, &json), -EINVAL);
	own = given_tugboot();
	(void)snprintf(own->type, sizeof(own->type), "clevis");
	assert_int_equal(token_format(own, &json), -EINVAL);
	expect_parsed(plain);
	token.sealed.branches = 2;
	assert_int_equal(token_format(&token, &json), -EINVAL);
	assert_null(json);
}

/* --- Hostile text -------------------------------------------------------------------------- */

static void a_field_that_is_needed_is_missed_by_its_name(void **state)
{
	static const char *const systemd[] = {"type", "keyslots", "tpm2-blob", "tpm2-pcrs",
					      "tpm2-policy-hash"};
	static const char *const own[] = {"type",	   "keyslots",
					  "tpm2-blob",	   "tpm2-policy-hash",
					  "tpm2-policies", "volume-role"};
	const char *json = tugboot();
	char name[32], other[32];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(systemd) + ARRAY_SIZE(own); i++) {
		bool first = i < ARRAY_SIZE(systemd);
		const char *field = first ? systemd[i] : own[i - ARRAY_SIZE(systemd)];

		(void)snprintf(name, sizeof(name), "\"%s\":", field);
		(void)snprintf(other, sizeof(other), "\"x%s\":", field);
		expect_refused(with(first ? plain : json, name, other), -EBADMSG, field);
		/* Names are matched as they are written. */
		other[1] = 'T';
		expect_refused(with(first ? plain : json, name, other), -EBADMSG, field);
	}
}

static void a_malformed_field_is_told_by_its_name(void **state)
{
	static const struct {
		const char *old, *new, *what;
	} cases[] = {
		{"\"systemd-tpm2\"", "1", "type"},
		{"\"systemd-tpm2\"", "null", "type"},
		{"\"systemd-tpm2\"", "\"a type of forty characters, which is more\"", "type"},
		{"\"systemd-tpm2\"", "\"line\\nbreak\"", "type"},
		{"[\"1\"]", "\"1\"", "keyslots"},
		{"[\"1\"]", "[1]", "keyslots"},
		{"[\"1\"]", "[\"01\"]", "keyslots"},
		{"[\"1\"]", "[\"\"]", "keyslots"},
		{"[\"1\"]", "[\"-1\"]", "keyslots"},
		{"[\"1\"]", "[\"1 \"]", "keyslots"},
		{"[\"1\"]", "[\"32\"]", "keyslots"},
		{"[\"1\"]", "[\"4294967297\"]", "keyslots"},
		{"[\"1\"]", "[\"1\",\"1\"]", "keyslots"},
		{"[7]", "7", "tpm2-pcrs"},
		{"[7]", "[\"7\"]", "tpm2-pcrs"},
		{"[7]", "[7.0]", "tpm2-pcrs"},
		{"[7]", "[7e0]", "tpm2-pcrs"},
		{"[7]", "[-1]", "tpm2-pcrs"},
		{"[7]", "[24]", "tpm2-pcrs"},
		{"[7]", "[4294967303]", "tpm2-pcrs"},
		{"[7]", "[18446744073709551623]", "tpm2-pcrs"},
		{"[7]", "[7,7]", "tpm2-pcrs"},
		{"[7]", "[true]", "tpm2-pcrs"},
		{"[7]", "[null]", "tpm2-pcrs"},
		{"[7]", "[[7]]", "tpm2-pcrs"},
		{"\"sha256\"", "\"SHA256\"", "tpm2-pcr-bank"},
		{"\"sha256\"", "\"sha2\"", "tpm2-pcr-bank"},
		{"\"sha256\"", "11", "tpm2-pcr-bank"},
		{"\"ecc\"", "\"rsax\"", "tpm2-primary-alg"},
		{"\"ecc\"", "\"\"", "tpm2-primary-alg"},
		{"\"ecc\"", "{}", "tpm2-primary-alg"},
		{"\"tpm2-policy-hash\":\"8b", "\"tpm2-policy-hash\":\"", "tpm2-policy-hash"},
		{"\"tpm2-policy-hash\":\"8b", "\"tpm2-policy-hash\":\"8b8b", "tpm2-policy-hash"},
		{"\"tpm2-policy-hash\":\"8b", "\"tpm2-policy-hash\":\"8x", "tpm2-policy-hash"},
		{"\"tpm2-policy-hash\":\"8b", "\"tpm2-policy-hash\":\"8c",
		 "tpm2-policy-hash is not the blob's"},
		{"\"tpm2-pin\":false", "\"tpm2-pin\":0", "tpm2-pin"},
		{"\"tpm2-pin\":false", "\"tpm2-pin\":\"\"", "tpm2-pin"},
		{"\"tpm2-pin\":false", "\"tpm2-pin\":null", "tpm2-pin"},
		{"\"AJ4A", "\"AJ4", "tpm2-blob"},
		{"\"AJ4A", "\"AJ4A\\n", "tpm2-blob"},
		{"\"AJ4A", "\"AJ4_", "tpm2-blob"},
		{"\"AJ4A", "\"AAAAAJ4A", "no private area"},
		{"\"AJ4A", "\"AJ8A", "no public area"},
		{"\"AJ4A", "\"AJ0A", "no public area"},
		{"\"tpm2-pin\"", "\"tpm2_pubkey\":\"LS0t\",\"tpm2-pin\"", "tpm2_pubkey_pcrs"},
		{"\"tpm2-pin\"", "\"tpm2_pubkey\":\"\",\"tpm2-pin\"", "tpm2_pubkey"},
		{"\"tpm2-pin\"", "\"tpm2_pubkey_pcrs\":[11],\"tpm2-pin\"", "tpm2_pubkey_pcrs"},
		{"\"tpm2-pin\"", "\"tpm2_pubkey\":\"LS0t\",\"tpm2_pubkey_pcrs\":[],\"tpm2-pin\"",
		 "tpm2_pubkey_pcrs"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		expect_refused(with(plain, cases[i].old, cases[i].new), -EBADMSG, cases[i].what);
}

static void a_malformed_field_of_ours_is_told_by_its_name(void **state)
{
	static const struct {
		const char *old, *new, *what;
	} cases[] = {
		{"\"tpm2-policies\":[", "\"tpm2-policies\":[[],", "tpm2-policies"},
		{"\"tpm2-policies\":[", "\"tpm2-policies\":[{},", "tpm2-policies"},
		{"\"tpm2-policies\":[{\"pcrs\":[7]", "\"tpm2-policies\":[{\"pcrs\":[]",
		 "tpm2-policies"},
		{"\"tpm2-policies\":[{\"pcrs\":[7]", "\"tpm2-policies\":[{\"x\":[]",
		 "tpm2-policies"},
		{"\"digest\":\"11", "\"digest\":\"", "tpm2-policies"},
		{"\"digest\":\"", "\"x\":\"", "tpm2-policies"},
		{"\"name\":\"", "\"name\":\"a name that is more than thirty-one characters long",
		 "tpm2-policies"},
		{"\"name\":\"", "\"name\":\"\\u001b[2J", "tpm2-policies"},
		{"\"values\":{\"7\"", "\"values\":{\"07\"", "tpm2-policies"},
		{"\"values\":{\"7\"", "\"values\":{\"24\"", "tpm2-policies"},
		{"\"values\":{\"7\":\"44", "\"values\":{\"7\":\"", "tpm2-policies"},
		{"\"values\":{", "\"values\":[],\"x\":{", "tpm2-policies"},
		{"\"events\":{\"0\":[", "\"events\":{\"0\":[1,", "tpm2-policies"},
		{"\"events\":{\"0\":[", "\"events\":{\"0\":[\"0102030405\",", "tpm2-policies"},
		{"\"events\":{\"0\":[", "\"events\":{\"x\":[", "tpm2-policies"},
		{"\"events\":{\"0\":[", "\"events\":{\"1\":\"\",\"0\":[", "tpm2-policies"},
		{"\"rootA\"", "\"\"", "volume-role"},
		{"\"rootA\"", "\"a role of sixteen\"", "volume-role"},
		{"\"rootA\"", "true", "volume-role"},
		{"\"volume-key\":\"", "\"volume-key\":\"\",\"x\":\"", "volume-key"},
		{"\"volume-key\":\"", "\"volume-key\":1,\"x\":\"", "volume-key"},
		/* Nonce and tag of nothing. */
		{"\"volume-key\":\"",
		 "\"volume-key\":\"MzMzMzMzMzMzMzMzMzMzMzMzMzMzMzMzMzMzMw==\",\"x\":\"",
		 "volume-key"},
	};
	const char *json = tugboot();

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		expect_refused(with(json, cases[i].old, cases[i].new), -EBADMSG, cases[i].what);
}

static void a_key_that_stands_twice_is_refused(void **state)
{
	const char *json = tugboot();

	(void)state;
	expect_refused(with(plain, "\"tpm2-pin\"", "\"tpm2-pin\":false,\"tpm2-pin\""), -EBADMSG,
		       "JSON");
	expect_refused(with(plain, "{", "{\"type\":\"clevis\","), -EBADMSG, "JSON");
	/* Written another way, below another key, in a field that nobody reads. */
	expect_refused(with(plain, "{", "{\"t\\u0079pe\":\"clevis\","), -EBADMSG, "JSON");
	expect_refused(with(json, "\"events\":{", "\"events\":{\"0\":[],"), -EBADMSG, "JSON");
	expect_refused(with(json, "\"name\":", "\"pcrs\":[0],\"name\":"), -EBADMSG, "JSON");
	expect_refused(with(plain, "{", "{\"x\":{\"a\":{\"b\":1},\"a\":1},"), -EBADMSG, "JSON");
	expect_parsed(with(plain, "{", "{\"x\":{\"a\":{\"b\":1},\"c\":1,\"::\":\"\\\":\"},"));
}

static void text_that_readers_take_for_different_things_is_refused(void **state)
{
	static const char *const cases[] = {
		"",
		" ",
		"null",
		"1",
		"[]",
		"\"\"",
		"{",
		"{}x",
		"{}{}",
		"{} {",
		"{,}",
		"{\"type\":\"clevis\",\"keyslots\":[],}",
		"{\"type\":\"clevis\",\"keyslots\":[\"1\",]}",
		"{\"type\":'clevis',\"keyslots\":[]}",
		"{\"type\":\"clevis\",\"keyslots\":[],\"a\":NaN}",
		"{\"type\":\"clevis\",\"keyslots\":[],\"a\":-Infinity}",
		"{'type':\"clevis\",\"keyslots\":[]}",
		"{\"type\":\"clevis\",\"keyslots\":[]}/**/",
		"/**/{\"type\":\"clevis\",\"keyslots\":[]}",
		"{\"type\":\"clevis\",/**/\"keyslots\":[]}",
		"{\"type\\u0000\":\"clevis\",\"keyslots\":[]}",
		"{\"type\":\"clevis\\u0000\",\"keyslots\":[]}",
		"{\"type\":\"clevis\",\"keyslots\":[\"1\\u0000\"]}",
		"{\"type\":\"cle\tvis\",\"keyslots\":[]}",
		"{\"type\":\"cle\nvis\",\"keyslots\":[]}",
		"{\"type\":\"clevis\",\v\"keyslots\":[]}",
		"{\"type\":\"cl\xff\",\"keyslots\":[]}",
		"{\"type\":\"clevis\",\"keyslots\":[],\"x\":01}",
		"{\"type\":\"clevis\",\"keyslots\":[],\"x\":TRUE}",
		"\xef\xbb\xbf{\"type\":\"clevis\",\"keyslots\":[]}",
	};

	(void)state;
	expect_parsed(" {\r\n\t\"type\" : \"cl\\\\u0000\\\"vis'\" , \"keyslots\" : [ ] } \n");
	assert_string_equal(token.type, "cl\\u0000\"vis'");
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		expect_refused(cases[i], -EBADMSG, "JSON");
	expect_refused("{}", -EBADMSG, "type");
}

static void what_is_nested_deeply_is_refused(void **state)
{
	char text[128], *p;
	int accepted = 0;

	(void)state;
	for (int depth = 0; depth < 20; depth++) {
		p = text + snprintf(text, sizeof(text), "{\"type\":\"x\",\"keyslots\":[],\"a\":");
		memset(p, '[', (size_t)depth);
		p[depth] = '0';
		memset(p + depth + 1, ']', (size_t)depth);
		(void)snprintf(p + 2 * depth + 1, 2, "}");
		if (parse(text) == 0)
			accepted = depth;
		else
			expect_refused(text, -EBADMSG, "JSON");
	}
	assert_in_range(accepted, 5, 8);
	/* So deeply that recursion without a bound would end the process. */
	p = malloc(TOKEN_JSON_MAX + 1);
	assert_non_null(p);
	memset(p, '[', TOKEN_JSON_MAX);
	p[TOKEN_JSON_MAX] = '\0';
	expect_refused(p, -EBADMSG, "JSON");
	free(p);
}

static void a_long_token_is_refused_unread(void **state)
{
	static char text[TOKEN_JSON_MAX + 2];

	(void)state;
	memset(text, ' ', sizeof(text));
	memcpy(text, recovery, strlen(recovery));
	text[TOKEN_JSON_MAX] = '\0';
	expect_parsed(text);
	text[TOKEN_JSON_MAX] = ' ';
	text[TOKEN_JSON_MAX + 1] = '\0';
	expect_refused(text, -EBADMSG, "JSON");
}

static void a_token_that_is_cut_off_is_refused(void **state)
{
	const char *json = tugboot();
	char text[8192];

	(void)state;
	assert_true(strlen(json) < sizeof(text));
	for (size_t len = 0; len < strlen(json); len++) {
		memcpy(text, json, len);
		text[len] = '\0';
		expect_refused(text, -EBADMSG, "JSON");
	}
}

/* What newer releases write is refused as what it is, and fields that change nothing are not. */
static void forms_of_newer_releases_are_told_apart(void **state)
{
	(void)state;
	expect_refused(with(plain, "\"tpm2-pin\"", "\"tpm2_srk\":\"gQAAAQ==\",\"tpm2-pin\""),
		       -EOPNOTSUPP, "tpm2_srk");
	expect_refused(with(plain, "\"tpm2-pin\"", "\"tpm2_salt\":\"AA==\",\"tpm2-pin\""),
		       -EOPNOTSUPP, "tpm2_salt");
	expect_refused(with(plain, "\"tpm2-pin\"", "\"tpm2_pcrlock\":true,\"tpm2-pin\""),
		       -EOPNOTSUPP, "tpm2_pcrlock");
	expect_refused(with(plain, "\"tpm2-pin\"", "\"tpm2_pcrlock\":1,\"tpm2-pin\""), -EBADMSG,
		       "tpm2_pcrlock");
	expect_parsed(with(plain, "\"tpm2-pin\"", "\"tpm2_pcrlock\":false,\"tpm2-pin\""));
	expect_parsed(with(plain, "\"tpm2-pin\"", "\"tpm2_new\":{\"a\":[1]},\"tpm2-pin\""));
}

static void the_reason_may_be_left_out(void **state)
{
	(void)state;
	assert_int_equal(token_parse("{", &token, NULL), -EBADMSG);
}

/* --- Signatures ---------------------------------------------------------------------------- */

static uint8_t fingerprint[32], policy[32], signature[512];
static size_t signature_size;

static void given_key(void)
{
	size_t n;
	static const char hex[] =
		"65ea42ad4bf3a9661341d5075b67f23a461e3d99afb606a6124a4bd435c3c02b"
		"7b83ccbc8a6600fd9702559ca2621c020ed12dc418d5b7e76fd14ca8f67cbf90";
	uint8_t bytes[64];

	assert_int_equal(hex_decode(hex, 128, bytes, 64, &n), 0);
	memcpy(fingerprint, bytes, 32);
	memcpy(policy, bytes + 32, 32);
	signature_size = 0;
}

static int find(const char *json, enum tpm_bank bank, uint32_t pcrs, size_t max)
{
	return token_signature(exact(json, strlen(json)), strlen(json), bank, pcrs, fingerprint,
			       policy, signature, max, &signature_size);
}

static int find_any(const char *json)
{
	given_key();
	return find(json, TPM_BANK_SHA256, 1u << 11, sizeof(signature));
}

static void the_signature_of_a_policy_is_found(void **state)
{
	char text[BASE64_SIZE(256) + 1];

	(void)state;
	assert_int_equal(find_any(signatures), 0);
	assert_int_equal(signature_size, 256);
	base64_encode(signature, 256, text);
	assert_non_null(strstr(signatures, text));
	/* It is the second bank's. */
	assert_true(strstr(signatures, text) > strstr(signatures, "\"sha256\""));
}

static void another_signature_is_not_taken_for_it(void **state)
{
	(void)state;
	given_key();
	assert_int_equal(find(signatures, TPM_BANK_SHA1, 1u << 11, 512), -ENOENT);
	assert_int_equal(find(signatures, TPM_BANK_SHA384, 1u << 11, 512), -ENOENT);
	assert_int_equal(find(signatures, TPM_BANK_SHA256, 1u << 12, 512), -ENOENT);
	assert_int_equal(find(signatures, TPM_BANK_SHA256, 1u << 11 | 1u << 12, 512), -ENOENT);
	for (int bit = 0; bit < 256; bit++) {
		fingerprint[bit / 8] ^= (uint8_t)(1 << bit % 8);
		assert_int_equal(find(signatures, TPM_BANK_SHA256, 1u << 11, 512), -ENOENT);
		fingerprint[bit / 8] ^= (uint8_t)(1 << bit % 8);
		policy[bit / 8] ^= (uint8_t)(1 << bit % 8);
		assert_int_equal(find(signatures, TPM_BANK_SHA256, 1u << 11, 512), -ENOENT);
		policy[bit / 8] ^= (uint8_t)(1 << bit % 8);
	}
	assert_int_equal(signature_size, 0);
	assert_int_equal(find(signatures, TPM_BANK_SHA256, 1u << 11, 512), 0);
}

static void signatures_of_other_keys_stand_beside_it(void **state)
{
	static const char other[] =
		"\"sha256\":[{\"pcrs\":[11],"
		"\"pkfp\":\"0000000000000000000000000000000000000000000000000000000000000000\","
		"\"pol\":\"7B83CCBC8A6600FD9702559CA2621C020ED12DC418D5B7E76FD14CA8F67CBF90\","
		"\"sig\":\"AAAA\"},";

	(void)state;
	assert_int_equal(find_any(with(signatures, "\"sha256\":[", other)), 0);
	assert_int_equal(signature_size, 256);
	assert_int_equal(find_any("{}"), -ENOENT);
	assert_int_equal(find_any("{\"sha256\":[]}"), -ENOENT);
}

static void a_malformed_signature_file_is_refused(void **state)
{
	static const struct {
		const char *old, *new;
	} cases[] = {
		{"\"sha256\":[", "\"sha256\":[],\"sha256\":["},
		{"\"sha256\":[{", "\"sha256\":[7,{"},
		{"\"sha256\":[{", "\"sha256\":[{},{"},
		{"\"sha256\":[", "\"sha256\":{},\"x\":["},
		{"\"sha256\":[{\"pcrs\":[11]", "\"sha256\":[{\"pcrs\":[24]"},
		{"\"sha256\":[{\"pcrs\":[11]", "\"sha256\":[{\"pcrs\":11"},
		{"\"pol\":\"7b83", "\"pol\":\"7b"},
		{"\"pol\":\"7b83", "\"pol\":\"7b837b83"},
		{"\"sig\":\"qjpz", "\"sig\":\"qjp"},
		{"\"sig\":\"qjpz", "\"sig\":\"qj z"},
		{"\"sig\":\"qjpz", "\"sig\":\"\",\"x\":\"qjpz"},
		{"\"sig\":\"qjpz", "\"Sig\":\"qjpz"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		assert_int_equal(find_any(with(signatures, cases[i].old, cases[i].new)), -EBADMSG);
		assert_int_equal(signature_size, 0);
	}
	assert_int_equal(find_any(""), -EBADMSG);
	assert_int_equal(find_any("[]"), -EBADMSG);
	given_key();
	assert_int_equal(find(signatures, TPM_BANK_SHA256, 1u << 11, 255), -EBADMSG);
	assert_int_equal(find(signatures, TPM_BANK_SHA256, 1u << 11, 256), 0);
	/* The file may hold anything, a NUL too. */
	assert_int_equal(token_signature("{}\0", 3, TPM_BANK_SHA256, 1, fingerprint, policy,
					 signature, 1, &signature_size),
			 -EBADMSG);
	assert_int_equal(token_signature("{\"a\0\":1}", 8, TPM_BANK_SHA256, 1, fingerprint, policy,
					 signature, 1, &signature_size),
			 -EBADMSG);
}

static void a_long_signature_file_is_refused_unread(void **state)
{
	char *text = malloc(TOKEN_SIGNATURES_MAX + 1);

	(void)state;
	assert_non_null(text);
	memset(text, ' ', TOKEN_SIGNATURES_MAX + 1);
	memcpy(text, signatures, strlen(signatures));
	given_key();
	assert_int_equal(token_signature(text, TOKEN_SIGNATURES_MAX, TPM_BANK_SHA256, 1u << 11,
					 fingerprint, policy, signature, 512, &signature_size),
			 0);
	assert_int_equal(token_signature(text, TOKEN_SIGNATURES_MAX + 1, TPM_BANK_SHA256, 1u << 11,
					 fingerprint, policy, signature, 512, &signature_size),
			 -EBADMSG);
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_systemd_enrols_is_read),
		cmocka_unit_test(a_signed_policy_brings_its_key),
		cmocka_unit_test(systemds_tokens_are_written_as_systemd_does),
		cmocka_unit_test(what_older_releases_left_out_has_its_default),
		cmocka_unit_test(banks_and_primary_keys_are_told_apart),
		cmocka_unit_test(what_a_boot_does_not_open_is_known_by_its_slots),
		cmocka_unit_test(our_own_token_says_again_all_that_was_written),
		cmocka_unit_test(an_enrolment_under_way_names_the_slot_that_comes),
		cmocka_unit_test(values_are_of_the_banks_size),
		cmocka_unit_test(eight_branches_are_as_many_as_there_may_be),
		cmocka_unit_test(a_token_of_ours_has_some_policy),
		cmocka_unit_test(dictionary_attack_protection_is_on_for_pins_alone),
		cmocka_unit_test(what_could_not_be_read_again_is_not_written),
		cmocka_unit_test(a_field_that_is_needed_is_missed_by_its_name),
		cmocka_unit_test(a_malformed_field_is_told_by_its_name),
		cmocka_unit_test(a_malformed_field_of_ours_is_told_by_its_name),
		cmocka_unit_test(a_key_that_stands_twice_is_refused),
		cmocka_unit_test(text_that_readers_take_for_different_things_is_refused),
		cmocka_unit_test(what_is_nested_deeply_is_refused),
		cmocka_unit_test(a_long_token_is_refused_unread),
		cmocka_unit_test(a_token_that_is_cut_off_is_refused),
		cmocka_unit_test(forms_of_newer_releases_are_told_apart),
		cmocka_unit_test(the_reason_may_be_left_out),
		cmocka_unit_test(the_signature_of_a_policy_is_found),
		cmocka_unit_test(another_signature_is_not_taken_for_it),
		cmocka_unit_test(signatures_of_other_keys_stand_beside_it),
		cmocka_unit_test(a_malformed_signature_file_is_refused),
		cmocka_unit_test(a_long_signature_file_is_refused_unread),
	};

	return cmocka_run_group_tests_name("token", tests, NULL, NULL);
}
