/*
 * A part of a bill as csv.gz.
 *
 * Columns that depend on the product or the resource alone stand together and are rendered once for each of
 * them; a line is then mostly copied. That is what makes the writer fast.
 */
#include <string.h>

#include "base/mem.h"
#include "sample/writers.h"

#define FLUSH_AT ((size_t)1 << 20)
#define TIME_SLOTS 8

typedef struct piece { /* rendered columns */
    char *data;
    size_t len;
} piece;

typedef struct run { /* neighbouring columns of one scope */
    column_scope scope;
    const column *columns;
    size_t n;
    piece *cache; /* by product, or by resource and one more for "none" */
    size_t n_cache;
} run;

typedef struct time_text {
    int64_t micros;
    size_t len;
    char text[SAMPLE_TIME + 1];
} time_text;

typedef struct csv_writer {
    const month_lines *lines;
    bool millis;
    run *runs;
    size_t n_runs;
    fo_str out;
    time_text times[TIME_SLOTS];
    fo_gzip *gzip;
} csv_writer;

static void
csv_done(csv_writer *w)
{
    for (size_t i = 0; w->runs && i < w->n_runs; i++) {
        for (size_t j = 0; w->runs[i].cache && j < w->runs[i].n_cache; j++)
            fo_free(w->runs[i].cache[j].data);
        fo_free(w->runs[i].cache);
    }
    fo_free(w->runs);
    fo_str_done(&w->out);
    fo_gzip_free(w->gzip);
}

static bool
run_cache(const csv_writer *w, run *r)
{
    if (r->scope == SCOPE_PRODUCT)
        r->n_cache = w->lines->w->n_products;
    else if (r->scope == SCOPE_TAGGED)
        r->n_cache = w->lines->w->n_resources + 1;
    else
        return true;
    r->cache = fo_array(r->n_cache, sizeof(piece));
    return r->cache != NULL;
}

static bool
csv_runs(csv_writer *w, const columns *c)
{
    w->runs = fo_array(c->n, sizeof(run));
    if (!w->runs)
        return false;
    for (size_t i = 0; i < c->n; i++) {
        if (w->n_runs == 0 || w->runs[w->n_runs - 1].scope != c->items[i].scope)
            w->runs[w->n_runs++] = (run){ .scope = c->items[i].scope, .columns = &c->items[i] };
        w->runs[w->n_runs - 1].n++;
    }
    for (size_t i = 0; i < w->n_runs; i++) {
        if (!run_cache(w, &w->runs[i]))
            return false;
    }
    return true;
}

/* --- fields --- */

static void
csv_text(fo_str *out, const char *z)
{
    size_t n = strcspn(z, ",\"\n\r");

    if (z[n] == '\0') {
        fo_str_addn(out, z, n);
        return;
    }
    fo_str_addc(out, '"');
    for (; *z; z++) {
        if (*z == '"')
            fo_str_addc(out, '"');
        fo_str_addc(out, *z);
    }
    fo_str_addc(out, '"');
}

/* A JSON string inside a quoted CSV field: its own quotes are doubled. */
static void
csv_json_text(fo_str *out, const char *z)
{
    fo_str_addn(out, "\"\"", 2);
    for (; *z; z++) {
        if (*z == '"')
            fo_str_addn(out, "\\\"\"", 3);
        else if (*z == '\\')
            fo_str_addn(out, "\\\\", 2);
        else if ((unsigned char)*z < 0x20)
            fo_str_addf(out, "\\u%04x", (unsigned)*z);
        else
            fo_str_addc(out, *z);
    }
    fo_str_addn(out, "\"\"", 2);
}

static void
csv_map(fo_str *out, const value *v)
{
    size_t n = 0;

    for (size_t i = 0; i < v->n; i++) {
        if (!v->keys[i] || !v->values[i] || !*v->values[i])
            continue;
        fo_str_add(out, n++ == 0 ? "\"{" : ",");
        csv_json_text(out, v->keys[i]);
        fo_str_addc(out, ':');
        csv_json_text(out, v->values[i]);
    }
    fo_str_add(out, n == 0 ? "{}" : "}\"");
}

static void
csv_number(fo_str *out, int64_t ticks)
{
    char buf[SAMPLE_NUMBER];

    fo_str_addn(out, buf, fo_sample_number(ticks, buf));
}

/* Times come again and again: the texts of the last ones are kept. */
static const time_text *
csv_time(csv_writer *w, int64_t micros)
{
    time_text *t = &w->times[(uint64_t)micros / (uint64_t)HOUR_MICROS % TIME_SLOTS];

    if (t->len == 0 || t->micros != micros) {
        t->micros = micros;
        t->len = fo_sample_time(micros, w->millis, t->text);
    }
    return t;
}

static void
csv_interval(fo_str *out, const line *l)
{
    char buf[SAMPLE_TIME + 1];

    fo_str_addn(out, buf, fo_sample_time(l->start, false, buf));
    fo_str_addc(out, '/');
    fo_str_addn(out, buf, fo_sample_time(l->end, false, buf));
}

static void
csv_field(csv_writer *w, const line *l, const column *col)
{
    value v = fo_sample_value(w->lines, l, col);
    char id[SAMPLE_ID];

    switch (v.kind) {
    case VALUE_NONE:
        break;
    case VALUE_TEXT:
        csv_text(&w->out, v.text);
        break;
    case VALUE_NUMBER:
        csv_number(&w->out, v.number);
        break;
    case VALUE_TIME:
        fo_str_addn(&w->out, csv_time(w, v.number)->text, csv_time(w, v.number)->len);
        break;
    case VALUE_INTERVAL:
        csv_interval(&w->out, l);
        break;
    case VALUE_ID:
        fo_sample_line_id(w->lines, l, id);
        fo_str_addn(&w->out, id, sizeof(id));
        break;
    case VALUE_MAP:
        csv_map(&w->out, &v);
        break;
    case VALUE_DISCOUNT:
        fo_str_add(&w->out, v.number ? "\"{\"\"total_discount\"\":" : "{}");
        if (v.number) {
            csv_number(&w->out, v.number);
            fo_str_addn(&w->out, "}\"", 2);
        }
        break;
    }
    fo_str_addc(&w->out, ',');
}

static void
csv_fields(csv_writer *w, const run *r, const line *l)
{
    for (size_t i = 0; i < r->n; i++)
        csv_field(w, l, &r->columns[i]);
}

/* --- lines --- */

static bool
csv_cached(csv_writer *w, const run *r, const line *l)
{
    size_t begin = w->out.len;
    piece *p;

    if (r->scope == SCOPE_PRODUCT)
        p = &r->cache[l->product - w->lines->w->products];
    else
        p = &r->cache[l->tagged ? l->tagged->index : r->n_cache - 1];
    if (p->data) {
        fo_str_addn(&w->out, p->data, p->len);
        return true;
    }
    csv_fields(w, r, l);
    if (!fo_str_ok(&w->out))
        return false;
    p->data = fo_strndup(w->out.data + begin, w->out.len - begin);
    p->len = w->out.len - begin;
    return p->data != NULL;
}

static void
csv_empty(csv_writer *w, size_t n)
{
    static const char commas[] = ",,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,";

    for (; n >= sizeof(commas); n -= sizeof(commas) - 1)
        fo_str_addn(&w->out, commas, sizeof(commas) - 1);
    fo_str_addn(&w->out, commas, n);
}

static bool
csv_line(csv_writer *w, const line *l)
{
    for (size_t i = 0; i < w->n_runs; i++) {
        const run *r = &w->runs[i];

        if (r->cache) {
            if (!csv_cached(w, r, l))
                return false;
        } else if ((r->scope == SCOPE_RESERVATION && !l->reservation) ||
                   (r->scope == SCOPE_PLAN && !l->plan)) {
            csv_empty(w, r->n);
        } else {
            csv_fields(w, r, l);
        }
    }
    if (!fo_str_ok(&w->out))
        return false;
    w->out.data[w->out.len - 1] = '\n';
    return true;
}

static bool
csv_header(csv_writer *w, const columns *c)
{
    FO_AUTO(fo_str_done) fo_str name = FO_STR_INIT;

    for (size_t i = 0; i < c->n; i++) {
        fo_str_clear(&name);
        fo_sample_column_name(c, &c->items[i], false, &name);
        if (!fo_str_ok(&name))
            return false;
        csv_text(&w->out, fo_str_z(&name));
        fo_str_addc(&w->out, i + 1 < c->n ? ',' : '\n');
    }
    return fo_str_ok(&w->out);
}

static finops_code
csv_lines(csv_writer *w, const file_job *job, int64_t *ret_rows, finops_error **err)
{
    line l;
    int64_t n = 0;

    while (n < job->max_rows && fo_sample_lines_next(job->lines, &l)) {
        if (!csv_line(w, &l))
            return fo_error_oom(err);
        n++;
        if (w->out.len >= FLUSH_AT) {
            finops_code rc = fo_gzip_write(w->gzip, w->out.data, w->out.len, err);

            if (rc != FINOPS_OK)
                return rc;
            fo_str_clear(&w->out);
            if (fo_cancelled(job->cancel))
                return fo_error_set(err, FINOPS_E_CANCELLED, "write %s: stopped", job->path);
            if (job->tick)
                job->tick(job->arg, n);
        }
    }
    *ret_rows = n;
    return FINOPS_OK;
}

finops_code
fo_sample_write_csv(const file_job *job, int64_t *ret_rows, finops_error **err)
{
    FO_AUTO(csv_done) csv_writer w = { .lines = job->lines, .millis = !job->columns->v1, .out = FO_STR_INIT };
    finops_code rc;

    if (!csv_runs(&w, job->columns) || !csv_header(&w, job->columns))
        return fo_error_oom(err);
    rc = fo_gzip_open(job->path, &w.gzip, err);
    if (rc == FINOPS_OK)
        rc = csv_lines(&w, job, ret_rows, err);
    if (rc == FINOPS_OK && w.out.len > 0)
        rc = fo_gzip_write(w.gzip, w.out.data, w.out.len, err);
    if (rc == FINOPS_OK)
        rc = fo_gzip_commit(w.gzip, err);
    return rc;
}
