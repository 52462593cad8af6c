/*
 * finops storage sync: a folder made like another.
 *
 * Both sides are listed in order and compared as they come; what is the same already is left alone, so that
 * a sync that was stopped goes on where it was. What is too much goes in a second pass, and only when all was
 * copied.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/crc.h"
#include "base/mem.h"
#include "cli/storage_copy.h"
#include "cli/storage_remove.h"

#define TURN 4096 /* pairs that are compared or copied at a time */
#define BUFFER ((size_t)256 << 10)
#define SUM 32

static const char *const config_keys[] = { FO_STORAGE_KEYS, NULL };

/* Objects of both sides that may be the same. */
typedef struct maybe {
    fo_pairs pairs;
    bool *same; /* for each, once it is known */
} maybe;

typedef struct syncing {
    fo_cli *cli;
    const fo_storage_flags *flags;
    fo_spots spots;
    const fo_spot *from, *to;
    char *from_prefix, *to_prefix;
    fo_work work, delete_work, compare_work;
    fo_copy_totals totals;
    fo_copy copy;
    fo_pairs pairs; /* to be copied */
    maybe maybe;
    fo_removal removal;
    fo_table *plan;
    finops_call call;
    uint64_t same;
} syncing;

/* ---- are they the same ---- */

static finops_code
sum_of(finops_storage *storage, const char *key, const finops_call *call, char sum[SUM], finops_error **err)
{
    const finops_get get = { .key = key, .length = -1, .call = call };
    FO_AUTO(fo_freep) char *buffer = fo_alloc(BUFFER);
    finops_reader *reader = NULL;
    uint64_t crc = 0;
    size_t n = 1;
    finops_code rc = buffer ? finops_storage_read(storage, &get, &reader, err) : fo_error_oom(err);

    if (rc != FINOPS_OK)
        return rc;
    while (rc == FINOPS_OK && n > 0) {
        rc = reader->read(reader, buffer, BUFFER, &n, err);
        if (rc == FINOPS_OK)
            crc = fo_crc64nvme(crc, buffer, n);
    }
    reader->close(reader);
    (void)snprintf(sum, SUM, "crc64nvme:%016" PRIx64, crc);
    return rc;
}

/* Its stored checksum where that is one that can be compared, else that of its bytes. */
static finops_code
checksum_of(finops_storage *storage, const char *key, const finops_call *call, char sum[SUM],
            finops_error **err)
{
    FO_AUTO(finops_object_done) finops_object object = { 0 };
    finops_code rc = finops_storage_stat(storage, key, call, &object, err);

    if (rc != FINOPS_OK)
        return rc;
    if (!object.checksum || !fo_starts(object.checksum, "crc64nvme:"))
        return sum_of(storage, key, call, sum, err);
    (void)snprintf(sum, SUM, "%s", object.checksum);
    return FINOPS_OK;
}

static finops_code
compare_one(fo_work *work, size_t index, const finops_call *call, void *arg, finops_error **err)
{
    syncing *s = arg;
    const fo_pair *pair = &s->maybe.pairs.items[index];
    char from[SUM] = "", to[SUM] = "";
    finops_code rc = checksum_of(s->from->storage, pair->from, call, from, err);

    (void)work;
    if (rc == FINOPS_OK)
        rc = checksum_of(s->to->storage, pair->to, call, to, err);
    s->maybe.same[index] = rc == FINOPS_OK && strcmp(from, to) == 0;
    return rc;
}

/* Same size, and the same checksum where both tell one of a kind, else not older than the original. */
static bool
looks_same(const fo_entry *from, const fo_entry *to)
{
    if (from->size != to->size)
        return false;
    if (from->checksum && to->checksum && strcspn(from->checksum, ":") == strcspn(to->checksum, ":") &&
        strncmp(from->checksum, to->checksum, strcspn(from->checksum, ":")) == 0)
        return strcmp(from->checksum, to->checksum) == 0;
    return to->modified_us >= from->modified_us;
}

/* ---- what is to be copied ---- */

static finops_code
copy_add(syncing *s, const char *from, const char *to, int64_t size, finops_error **err)
{
    return fo_pairs_add(&s->pairs, from, fo_strdup(to), size, err);
}

/* Compares by checksum what could not be told apart by size. */
static finops_code
compare_turn(syncing *s, finops_error **err)
{
    fo_pairs *pairs = &s->maybe.pairs;
    finops_code rc;

    if (pairs->n == 0)
        return FINOPS_OK;
    s->maybe.same = fo_array(pairs->n, sizeof(*s->maybe.same));
    if (!s->maybe.same)
        return fo_error_oom(err);
    rc = fo_work_run(&s->compare_work, pairs->n, compare_one, s, err);
    for (size_t i = 0; rc == FINOPS_OK && i < pairs->n; i++) {
        if (s->maybe.same[i])
            s->same++;
        else
            rc = copy_add(s, pairs->items[i].from, pairs->items[i].to, pairs->items[i].size, err);
    }
    fo_pairs_clear(pairs);
    fo_free(FO_TAKE(s->maybe.same));
    return rc;
}

static finops_code
copy_turn(syncing *s, finops_error **err)
{
    finops_code rc = compare_turn(s, err);

    if (rc == FINOPS_OK && s->compare_work.failed == 0 && s->pairs.n > 0)
        rc = fo_copy_pairs(&s->copy, &s->pairs, err);
    fo_pairs_clear(&s->pairs);
    return rc;
}

static finops_code
consider(syncing *s, const fo_entry *from, const fo_entry *to, finops_error **err)
{
    FO_AUTO(fo_freep) char *key = fo_format("%s%s", s->to_prefix, from->key + strlen(s->from_prefix));

    if (!key)
        return fo_error_oom(err);
    if (to && s->flags->checksum && from->size == to->size)
        return fo_pairs_add(&s->maybe.pairs, from->key, FO_TAKE(key), from->size, err);
    if (to && looks_same(from, to)) {
        s->same++;
        return FINOPS_OK;
    }
    return copy_add(s, from->key, key, from->size, err);
}

/* ---- both sides in order ---- */

typedef struct sides {
    fo_cursor from, to;
    const fo_entry *left, *right; /* NULL: the end */
} sides;

static void
sides_done(sides *b)
{
    fo_cursor_done(&b->from);
    fo_cursor_done(&b->to);
}

static finops_code
sides_begin(const syncing *s, sides *b, finops_error **err)
{
    finops_code rc;

    b->from = (fo_cursor){
        .storage = s->from->storage, .prefix = s->from_prefix, .flags = s->flags, .call = &s->call
    };
    b->to =
        (fo_cursor){ .storage = s->to->storage, .prefix = s->to_prefix, .flags = s->flags, .call = &s->call };
    rc = fo_cursor_next(&b->from, &b->left, err);
    return rc == FINOPS_OK ? fo_cursor_next(&b->to, &b->right, err) : rc;
}

/* Below 0: only the left has it, above: only the right. */
static int
sides_compare(const syncing *s, const sides *b)
{
    if (!b->left || !b->right)
        return b->left ? -1 : 1;
    return strcmp(b->left->key + strlen(s->from_prefix), b->right->key + strlen(s->to_prefix));
}

static finops_code
sides_next(sides *b, int order, finops_error **err)
{
    finops_code rc = order <= 0 ? fo_cursor_next(&b->from, &b->left, err) : FINOPS_OK;

    return rc == FINOPS_OK && order >= 0 ? fo_cursor_next(&b->to, &b->right, err) : rc;
}

static bool
is_over(const syncing *s)
{
    return atomic_load(&s->work.stop) || atomic_load(&s->compare_work.stop) ||
           atomic_load(&s->delete_work.stop) || fo_cancelled(s->cli->cancel);
}

static finops_code
copy_pass(syncing *s, finops_error **err)
{
    FO_AUTO(sides_done) sides b = { 0 };
    finops_code rc = sides_begin(s, &b, err);

    while (rc == FINOPS_OK && (b.left || b.right) && !is_over(s)) {
        int order = sides_compare(s, &b);

        if (order <= 0)
            rc = consider(s, b.left, order == 0 ? b.right : NULL, err);
        if (rc == FINOPS_OK && s->pairs.n + s->maybe.pairs.n >= TURN)
            rc = copy_turn(s, err);
        if (rc == FINOPS_OK)
            rc = sides_next(&b, order, err);
    }
    if (rc == FINOPS_OK && !is_over(s))
        rc = copy_turn(s, err);
    if (rc == FINOPS_OK && !b.from.any && !is_over(s)) {
        rc = fo_error_set(err, FINOPS_E_NOT_FOUND, "there is nothing below %s", s->from->shown);
        if (s->flags->remove_others)
            fo_error_hint(err, "nothing was removed; finops storage rm --recursive empties a folder");
    }
    return rc;
}

/* Objects of the right side alone, removed some thousands at a time. */
typedef struct extras {
    fo_entry *items;
    size_t n, cap;
} extras;

static void
extras_clear(extras *e)
{
    for (size_t i = 0; i < e->n; i++)
        fo_free(e->items[i].key);
    e->n = 0;
}

static void
extras_done(extras *e)
{
    extras_clear(e);
    fo_free(e->items);
}

static finops_code
extras_add(extras *e, const fo_entry *entry, finops_error **err)
{
    char *key = fo_strdup(entry->key);

    if (!key || !fo_grow((void **)&e->items, &e->cap, e->n + 1, sizeof(*e->items))) {
        fo_free(key);
        return fo_error_oom(err);
    }
    e->items[e->n++] = (fo_entry){ .key = key, .size = entry->size };
    return FINOPS_OK;
}

static finops_code
delete_pass(syncing *s, finops_error **err)
{
    FO_AUTO(sides_done) sides b = { 0 };
    FO_AUTO(extras_done) extras extra = { 0 };
    finops_code rc = sides_begin(s, &b, err);

    while (rc == FINOPS_OK && !is_over(s)) {
        bool ended = !b.left && !b.right;
        int order = ended ? 0 : sides_compare(s, &b);

        if (order > 0)
            rc = extras_add(&extra, b.right, err);
        if (rc == FINOPS_OK && extra.n > 0 && (ended || extra.n == TURN)) {
            rc = fo_removal_run(&s->removal, extra.items, extra.n, err);
            extras_clear(&extra);
        }
        if (rc != FINOPS_OK || ended)
            break;
        rc = sides_next(&b, order, err);
    }
    return rc;
}

/* ---- the verb ---- */

static void
syncing_done(syncing *s)
{
    fo_table_free(s->plan);
    fo_pairs_done(&s->pairs);
    fo_pairs_done(&s->maybe.pairs);
    fo_work_done(&s->work);
    fo_work_done(&s->delete_work);
    fo_work_done(&s->compare_work);
    fo_free(s->from_prefix);
    fo_free(s->to_prefix);
    fo_spots_done(&s->spots);
}

static finops_code
syncing_begin(syncing *s, fo_cli *cli, finops_error **err)
{
    finops_code rc;

    s->cli = cli;
    s->flags = cli->options;
    s->call = fo_storage_call(cli);
    fo_work_init(&s->work, cli, s->flags->parallel, "copied");
    fo_work_init(&s->compare_work, cli, s->flags->parallel, "compared");
    fo_work_init(&s->delete_work, cli, s->flags->parallel, "removed");
    if (s->flags->dry_run && !(s->plan = fo_storage_plan_new()))
        return fo_error_oom(err);
    rc = fo_spots_open(cli, false, &s->spots, err);
    if (rc != FINOPS_OK)
        return rc;
    s->from = &s->spots.items[0];
    s->to = &s->spots.items[1];
    s->from_prefix = fo_spot_prefix(s->from);
    s->to_prefix = fo_spot_prefix(s->to);
    s->copy = (fo_copy){ .work = &s->work, .plan = s->plan, .totals = &s->totals };
    s->copy.job.from = s->from;
    s->copy.job.to = s->to;
    s->removal = (fo_removal){ .work = &s->delete_work, .storage = s->to->storage, .plan = s->plan };
    if (!s->from_prefix || !s->to_prefix)
        return fo_error_oom(err);
    return fo_copy_overlap_check(s->from, s->from_prefix, s->to, s->to_prefix, err);
}

static finops_code
outcome(syncing *s, finops_error **err)
{
    finops_code rc = fo_work_result(&s->compare_work, err);

    if (rc == FINOPS_OK)
        rc = fo_work_result(&s->work, err);
    if (rc == FINOPS_OK)
        rc = fo_removal_result(&s->removal, err);
    return rc;
}

static finops_code
report(syncing *s, int64_t began_us, finops_error **err)
{
    const fo_storage_summary summary = { .objects = s->work.done,
                                         .skipped = s->same,
                                         .deleted = s->removal.removed,
                                         .failed =
                                             s->work.failed + s->removal.failed + s->compare_work.failed,
                                         .bytes = atomic_load(&s->totals.bytes),
                                         .began_us = began_us };

    fo_progress_clear(s->cli);
    return s->plan ? fo_table_print(s->cli, s->plan, err) : fo_storage_summary_print(s->cli, &summary, err);
}

static finops_code
run(fo_cli *cli, finops_error **err)
{
    FO_AUTO(syncing_done) syncing s = { 0 };
    int64_t began = fo_clock_monotonic();
    finops_code rc = syncing_begin(&s, cli, err);

    if (rc == FINOPS_OK)
        rc = copy_pass(&s, err);
    if (rc != FINOPS_OK)
        return rc;
    if (s.flags->remove_others && !is_over(&s) && s.work.failed == 0 && s.compare_work.failed == 0)
        rc = delete_pass(&s, err);
    if (rc == FINOPS_OK)
        rc = outcome(&s, err);
    finops_code printed = report(&s, began, rc == FINOPS_OK ? err : NULL);
    return rc == FINOPS_OK ? printed : rc;
}

static const finops_option options[] = {
    FO_STORAGE_FILTER,
    FO_STORAGE_PARALLEL,
    FO_STORAGE_DRY_RUN,
    FO_STORAGE_STATS,
    { "delete", FINOPS_OPT_BOOL, FO_STORAGE_FLAG(remove_others), .value = "false",
      .help = "Remove what is below TO and not below FROM, once all is copied" },
    { "checksum", FINOPS_OPT_BOOL, FO_STORAGE_FLAG(checksum), .value = "false",
      .help = "Compare objects of one size by their checksums; those without one are read" },
    { 0 },
};

const fo_verb fo_verb_storage_sync = {
    .name = "storage sync",
    .args = "FROM TO",
    .summary = "Make a folder like another",
    .help =
        "Copies what is below FROM and is not below TO, or is otherwise: of another size, of another "
        "checksum where both sides list one, else newer. A sync that was stopped goes on where it was when "
        "it is started again. Objects that --include and --exclude leave out are neither copied nor "
        "removed. Nothing is removed when something could not be copied, or when there is nothing below "
        "FROM. " FO_STORAGE_ADDRESSES "\n\n" FO_STORAGE_GLOBS
        "\n\nExit status: 0 TO is as FROM, 1 nothing was done, 2 the command line or the configuration is "
        "wrong, 3 some failed.",
    .examples = "finops storage sync ./reports/ s3://bills/reports/\n  # what is new\n"
                "finops storage sync --delete --dry-run bronze: az://archive/bronze/\n"
                "  # what would be copied and removed\n",
    .config_keys = config_keys,
    .options = options,
    .options_size = sizeof(fo_storage_flags),
    .min_args = 2,
    .max_args = 2,
    .flags = FO_VERB_ROWS,
    .run = run,
};
