/* Keys: kept byte for byte or refused, never something else in their place. */
#include <string.h>

#include "conformance/storage/probe.h"

/* Put, stat, read, list and delete under this very key. */
static bool
round_trip(fo_probe *p, const char *name)
{
    FO_AUTO(finops_object_done) finops_object object = { 0 };
    const char *key = fo_probe_key(p, "%s", name);

    return fo_probe_put(p, key, key) && fo_probe_stat(p, key, &object) &&
           fo_probe_true(p, object.key && strcmp(object.key, key) == 0, "stat of %s tells of %s", key,
                         object.key ? object.key : "no key") &&
           fo_probe_true(p, object.size == (int64_t)strlen(key), "stat of %s: %lld bytes", key,
                         (long long)object.size) &&
           fo_probe_is(p, key, key) && fo_probe_lists(p, &(finops_list){ .prefix = "" }, name) &&
           fo_probe_remove(p, key) && fo_probe_gone(p, key);
}

static bool
all_round(fo_probe *p, const char *const *names, size_t n)
{
    bool ok = true;

    for (size_t i = 0; ok && i < n; i++)
        ok = round_trip(p, names[i]);
    return ok;
}

/* Kept as round_trip() wants it, or refused with nothing stored. *ret_refused counts. */
static bool
kept_or_refused(fo_probe *p, const char *name, unsigned *ret_refused)
{
    const char *key = fo_probe_key(p, "%s", name);
    finops_error *err = NULL;
    finops_code rc = fo_probe_put_raw(p, &(finops_put){ .key = key }, "x", NULL, &err);

    if (rc == FINOPS_OK)
        return fo_probe_remove(p, key) && round_trip(p, name);
    ++*ret_refused;
    return fo_probe_fails(p, rc, FINOPS_E_ARGUMENT, &err, "put of a key that is refused") &&
           fo_probe_lists(p, &(finops_list){ .prefix = "" }, "");
}

static bool
punctuation(fo_probe *p)
{
    static const char *const names[] = {
        "a b", "a+b",  "a%b", "a%2Fb",        "a?b=c", "a#b",  "a&b",  "a<b",
        "a>b", "a\"b", "a'b", "!$()*,;=@[]~", "a|b",   "{a}b", "a^b`", "a..b"
    };
    unsigned refused = 0;

    if (!all_round(p, names, FO_COUNT(names)))
        return false;
    /* HDFS has no name with a colon. */
    return fo_probe_has(p, FINOPS_STORAGE_FLAT_KEYS) ? round_trip(p, "a:b")
                                                     : kept_or_refused(p, "a:b", &refused);
}

static bool
escapes_do_not_meet(fo_probe *p)
{
    const char *slash = fo_probe_key(p, "a/b"), *escaped = fo_probe_key(p, "a%%2Fb"),
               *plus = fo_probe_key(p, "c+d"), *blank = fo_probe_key(p, "c d"),
               *twenty = fo_probe_key(p, "c%%20d");

    return fo_probe_put(p, slash, "1") && fo_probe_put(p, escaped, "2") && fo_probe_put(p, plus, "3") &&
           fo_probe_put(p, blank, "4") && fo_probe_put(p, twenty, "5") && fo_probe_is(p, slash, "1") &&
           fo_probe_is(p, escaped, "2") && fo_probe_is(p, plus, "3") && fo_probe_is(p, blank, "4") &&
           fo_probe_is(p, twenty, "5") &&
           fo_probe_lists(p, &(finops_list){ .prefix = "" }, "a%2Fb|a/b|c d|c%20d|c+d");
}

static bool
any_script(fo_probe *p)
{
    static const char *const names[] = { "\xC3\xBC"
                                         "ber/\xC3\xA9t\xC3\xA9",
                                         "\xE6\x97\xA5\xE6\x9C\xAC\xE8\xAA\x9E", "\xF0\x9F\x92\xB6",
                                         "\xD7\xA9\xD7\x9C\xD7\x95\xD7\x9D" };

    return all_round(p, names, FO_COUNT(names));
}

static bool
two_spellings(fo_probe *p)
{
    const char *nfc = fo_probe_key(p, "\xC3\xA9"), *nfd = fo_probe_key(p, "e\xCC\x81");

    return fo_probe_put(p, nfc, "composed") && fo_probe_put(p, nfd, "apart") &&
           fo_probe_is(p, nfc, "composed") && fo_probe_is(p, nfd, "apart") &&
           fo_probe_lists(p, &(finops_list){ .prefix = "" }, "e\xCC\x81|\xC3\xA9");
}

static bool
upper_and_lower(fo_probe *p)
{
    const char *upper = fo_probe_key(p, "KEY"), *lower = fo_probe_key(p, "key");

    return fo_probe_put(p, upper, "1") && fo_probe_put(p, lower, "2") && fo_probe_is(p, upper, "1") &&
           fo_probe_lists(p, &(finops_list){ .prefix = "" }, "KEY|key");
}

static bool
odd_bytes(fo_probe *p)
{
    static const char *const names[] = { " a",
                                         "a ",
                                         ".a",
                                         "a.",
                                         "~a",
                                         "a\\b", /* a slash to some services */
                                         "a\tb",
                                         "a\rb",
                                         "a\nb",
                                         "\x01",
                                         "a\x7f"
                                         "b",
                                         "-a",
                                         "a\r\nb " };
    unsigned refused = 0;
    bool ok = true;

    for (size_t i = 0; ok && i < FO_COUNT(names); i++)
        ok = kept_or_refused(p, names[i], &refused);
    return ok;
}

static bool
odd_paths(fo_probe *p)
{
    static const char *const names[] = { "a//b", "/a", "a/./b", "a/../b", "a/", "..", "../a", "a/.." };
    unsigned refused = 0;
    bool ok = true;

    for (size_t i = 0; ok && i < FO_COUNT(names); i++)
        ok = kept_or_refused(p, names[i], &refused);
    if (ok && refused && fo_probe_has(p, FINOPS_STORAGE_FLAT_KEYS))
        return fo_ruling_skip(&p->ruling, "the service refuses %u of %zu such keys", refused,
                              FO_COUNT(names));
    return ok && fo_probe_true(p, refused == FO_COUNT(names) || fo_probe_has(p, FINOPS_STORAGE_FLAT_KEYS),
                               "%zu of the keys are taken, and are no paths", FO_COUNT(names) - refused);
}

static bool
out_of_the_root(fo_probe *p)
{
    static const char *const keys[] = { "..",        "../finops-test",
                                        "a/../../b", "/etc/hostname",
                                        "/tmp/../b", "finops-test/../../..",
                                        "./../a",    "a/../../../../../etc/hostname" };

    for (size_t i = 0; i < FO_COUNT(keys); i++) {
        const finops_get get = { .key = keys[i], .length = -1, .call = &p->call };
        const finops_remove remove = { .key = keys[i], .call = &p->call };
        finops_reader *reader = NULL;
        finops_error *err = NULL;
        finops_code rc = fo_probe_put_raw(p, &(finops_put){ .key = keys[i] }, "x", NULL, &err);

        if (!fo_probe_fails(p, rc, FINOPS_E_ARGUMENT, &err, keys[i]))
            return false;
        rc = finops_storage_read(p->storage, &get, &reader, &err);
        if (reader)
            reader->close(reader);
        if (!fo_probe_fails(p, rc, FINOPS_E_ARGUMENT, &err, keys[i]))
            return false;
        rc = finops_storage_delete_file(p->storage, &remove, &err);
        if (!fo_probe_fails(p, rc, FINOPS_E_ARGUMENT, &err, keys[i]))
            return false;
    }
    return true;
}

/* Whichever came first, neither hides the other. */
static bool
are_both(fo_probe *p, const char *first, const char *one, const char *two)
{
    finops_error *err = NULL;
    finops_code rc;

    if (!fo_probe_put(p, one, "1"))
        return false;
    rc = fo_probe_put_raw(p, &(finops_put){ .key = two }, "2", NULL, &err);
    if (rc != FINOPS_OK)
        return fo_probe_fails(p, rc, FINOPS_E_ARGUMENT, &err, "put beside it") && fo_probe_is(p, one, "1") &&
               fo_probe_lists(p, &(finops_list){ .prefix = "" }, first);
    return fo_probe_is(p, one, "1") && fo_probe_is(p, two, "2") &&
           fo_probe_lists(p, &(finops_list){ .prefix = "" }, "a|a/b") && fo_probe_remove(p, one) &&
           fo_probe_is(p, two, "2");
}

/* What is hidden would not go with the prefix. */
static bool
both(fo_probe *p, const char *first, const char *second)
{
    const char *one = fo_probe_key(p, "%s", first), *two = fo_probe_key(p, "%s", second);
    bool ok = are_both(p, first, one, two);

    return fo_probe_remove(p, one) &&
           (fo_probe_remove(p, two) || !fo_probe_has(p, FINOPS_STORAGE_FLAT_KEYS)) && ok;
}

static bool
object_and_folder(fo_probe *p)
{
    return both(p, "a", "a/b") && both(p, "a/b", "a");
}

/* A key of so many bytes, in parts that a file system can have. */
static const char *
long_key(fo_probe *p, size_t size)
{
    FO_AUTO(fo_str_done) fo_str key = FO_STR_INIT;

    fo_str_add(&key, p->prefix);
    while (key.len < size)
        fo_str_addc(&key, key.len % 200 == 199 && key.len + 1 < size ? '/' : 'k');
    return fo_probe_keep(p, "%s", fo_str_z(&key));
}

/* A storage that lies below a prefix of a bucket has less room. */
static bool
longest_key(fo_probe *p)
{
    const char *key = long_key(p, FINOPS_STORAGE_KEY_MAX);
    finops_error *err = NULL;
    finops_code rc = fo_probe_put_raw(p, &(finops_put){ .key = key }, "x", NULL, &err);

    if (rc == FINOPS_OK)
        return fo_probe_remove(p, key) && round_trip(p, key + strlen(p->prefix));
    return fo_probe_fails(p, rc, FINOPS_E_ARGUMENT, &err, "put of a long key") &&
           round_trip(p, long_key(p, FINOPS_STORAGE_KEY_MAX - 128) + strlen(p->prefix)) &&
           fo_ruling_skip(&p->ruling, "the prefix of the storage leaves less than 1,024 bytes; 896 work");
}

static bool
refused_key(fo_probe *p, const char *key)
{
    finops_error *err = NULL;
    finops_object object;
    finops_code rc = fo_probe_put_raw(p, &(finops_put){ .key = key }, "x", NULL, &err);

    if (!fo_probe_fails(p, rc, FINOPS_E_ARGUMENT, &err, "put of a key that cannot be"))
        return false;
    rc = finops_storage_stat(p->storage, key, &p->call, &object, &err);
    return fo_probe_fails(p, rc, FINOPS_E_ARGUMENT, &err, "stat of a key that cannot be");
}

static bool
keys_that_cannot_be(fo_probe *p)
{
    return refused_key(p, long_key(p, FINOPS_STORAGE_KEY_MAX + 1)) && refused_key(p, "") &&
           refused_key(p, fo_probe_key(p, "\xFF")) && refused_key(p, fo_probe_key(p, "a\xC3")) &&
           refused_key(p, fo_probe_key(p, "\xED\xA0\x80")) && refused_key(p, fo_probe_key(p, "\xC0\xAF")) &&
           fo_probe_lists(p, &(finops_list){ .prefix = "" }, "");
}

static const fo_probe_case cases[] = {
    { "K1 keys with blanks, percent signs and punctuation come back as they are", 0, punctuation, 0 },
    { "K1 keys that look like one another's escapes are different keys", 0, escapes_do_not_meet, 0 },
    { "K2 keys of any script come back as they are", 0, any_script, 0 },
    { "K2 a letter composed and apart makes two keys", 0, two_spellings, 0 },
    { "K2 upper and lower case make two keys", 0, upper_and_lower, 0 },
    { "K3 keys with blanks at their ends, points and controls are kept or refused", 0, odd_bytes, 0 },
    { "K4 keys with empty parts, \".\" and \"..\" are kept or refused, never cleaned", 0, odd_paths, 0 },
    { "K5 no key leads out of the root", 0, out_of_the_root, FO_PROBE_FILES },
    { "K6 an object beside a folder of its name is kept or refused, and hides nothing", 0, object_and_folder,
      0 },
    { "K7 a key of 1,024 bytes works", 0, longest_key, 0 },
    { "K7 keys too long, empty or no UTF-8 are refused", 0, keys_that_cannot_be, 0 },
};

const fo_probe_area fo_probes_keys = { "keys", cases, FO_COUNT(cases) };
