/* Keys from text, and out of memory again. */
#include "storage/layers/keyring.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <string.h>
#include <sys/stat.h>

#include "base/file.h"
#include "base/mem.h"
#include "base/str.h"

#define FILE_MAX 65536
#define BASE64_SIZE 44

static int
hex_digit(char c)
{
    if (fo_is_digit(c))
        return c - '0';
    return fo_lower(c) >= 'a' && fo_lower(c) <= 'f' ? fo_lower(c) - 'a' + 10 : -1;
}

static bool
from_hex(const char *text, uint8_t key[FO_KEY_SIZE])
{
    for (size_t i = 0; i < FO_KEY_SIZE; i++) {
        int high = hex_digit(text[2 * i]), low = high < 0 ? -1 : hex_digit(text[2 * i + 1]);
        if (low < 0)
            return false;
        key[i] = (uint8_t)(high << 4 | low);
    }
    return true;
}

static bool
from_base64(const char *text, uint8_t key[FO_KEY_SIZE])
{
    uint8_t block[BASE64_SIZE / 4 * 3];
    bool good = text[BASE64_SIZE - 1] == '=' && text[BASE64_SIZE - 2] != '=' &&
                EVP_DecodeBlock(block, (const uint8_t *)text, BASE64_SIZE) == (int)sizeof(block);

    if (good)
        memcpy(key, block, FO_KEY_SIZE);
    OPENSSL_cleanse(block, sizeof(block));
    return good;
}

static bool
is_id(const char *p, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (!fo_is_alpha(p[i]) && !fo_is_digit(p[i]) && !strchr("._-", p[i]))
            return false;
    return n > 0 && n <= FO_KEY_ID_SIZE;
}

static finops_code
bad_line(const char *where, size_t number, const char *what, finops_error **err)
{
    finops_code rc = fo_error_set(err, FINOPS_E_CONFIG, "%s, line %zu: %s", where, number, what);

    fo_error_hint(err, "a line is \"name:key\"; `openssl rand -hex 32` makes a key");
    return rc;
}

/* Room for one more; the memory of the old ones is overwritten. */
static bool
grow(fo_keyring *ring)
{
    fo_master_key *keys;

    if (ring->n < ring->cap)
        return true;
    keys = fo_array(ring->cap + 8, sizeof(*keys));
    if (!keys)
        return false;
    if (ring->n > 0) {
        memcpy(keys, ring->keys, ring->n * sizeof(*keys));
        OPENSSL_cleanse(ring->keys, ring->n * sizeof(*keys));
    }
    fo_free(ring->keys);
    ring->keys = keys;
    ring->cap += 8;
    return true;
}

static finops_code
add_line(fo_keyring *ring, const char *line, size_t n, const char *where, size_t number, finops_error **err)
{
    const char *colon = memchr(line, ':', n);
    size_t id_n = colon ? (size_t)(colon - line) : 0, key_n = colon ? n - id_n - 1 : 0;
    fo_master_key *key;

    if (!colon || !is_id(line, id_n))
        return bad_line(where, number, "a key has a name of 1 to 16 letters, digits, '.', '_' or '-'", err);
    if (!grow(ring))
        return fo_error_oom(err);
    key = &ring->keys[ring->n];
    memset(key, 0, sizeof(*key));
    memcpy(key->id, line, id_n);
    if (!(key_n == 2 * (size_t)FO_KEY_SIZE && from_hex(colon + 1, key->key)) &&
        !(key_n == BASE64_SIZE && from_base64(colon + 1, key->key)))
        return bad_line(where, number, "a key has 64 hexadecimal digits, or 44 of base64", err);
    if (fo_keyring_find(ring, key->id))
        return bad_line(where, number, "there is a key of that name already", err);
    ring->n++;
    return FINOPS_OK;
}

finops_code
fo_keyring_add(fo_keyring *ring, const char *lines, const char *where, finops_error **err)
{
    finops_code rc = FINOPS_OK;

    for (size_t number = 1; rc == FINOPS_OK && *lines; number++) {
        size_t length = strcspn(lines, "\n"), n = length;
        while (n > 0 && strchr(" \t\r", lines[n - 1]))
            n--;
        if (n > 0 && lines[0] != '#')
            rc = add_line(ring, lines, n, where, number, err);
        lines += length + (lines[length] == '\n');
    }
    return rc;
}

finops_code
fo_keyring_read(fo_keyring *ring, const char *path, finops_error **err)
{
    fo_str text = FO_STR_MAX(FILE_MAX);
    struct stat st;
    finops_code rc;

    if (stat(path, &st) == 0 && (st.st_mode & S_IROTH)) {
        rc = fo_error_set(err, FINOPS_E_CONFIG, "%s: others may read this file of keys", path);
        fo_error_hint(err, "chmod 600 %s", path);
        return rc;
    }
    rc = fo_file_read(path, FILE_MAX, &text, err);
    if (rc == FINOPS_OK)
        rc = fo_keyring_add(ring, fo_str_z(&text), path, err);
    if (text.data)
        OPENSSL_cleanse(text.data, text.cap);
    fo_str_done(&text);
    return rc;
}

const fo_master_key *
fo_keyring_find(const fo_keyring *ring, const char *id)
{
    for (size_t i = 0; i < ring->n; i++)
        if (fo_streq(ring->keys[i].id, id))
            return &ring->keys[i];
    return NULL;
}

void
fo_keyring_done(fo_keyring *ring)
{
    if (ring->keys)
        OPENSSL_cleanse(ring->keys, ring->cap * sizeof(*ring->keys));
    fo_free(ring->keys);
    *ring = (fo_keyring){ 0 };
}
