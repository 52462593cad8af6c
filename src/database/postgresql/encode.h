/*
 * COPY's binary rows from Arrow batches.
 *
 * A *source* describes a column as it comes, a *field* how it goes into a column of a table. Usual pairs have
 * a function of their own; the others go through a *value*, which has few kinds.
 * https://www.postgresql.org/docs/15/sql-copy.html#id-1.9.3.55.9.4
 */
#ifndef FO_DATABASE_POSTGRESQL_ENCODE_H
#define FO_DATABASE_POSTGRESQL_ENCODE_H

#include <nanoarrow/nanoarrow.h>
#include <string.h>

#include "database/postgresql/postgresql_internal.h"

#define PG_NUMERIC_GROUPS 352 /* of four digits; the longest double needs 271 behind the point */
#define PG_VALUE_TEXT 128     /* bytes that hold the text of any number or time */

__extension__ typedef __int128 fo_pg_wide;
__extension__ typedef unsigned __int128 fo_pg_uwide;

/* Bytes to be sent. */
typedef struct fo_pg_buffer {
    uint8_t *data;
    size_t len;
    size_t cap;
} fo_pg_buffer;

bool fo_pg_buffer_room(fo_pg_buffer *b, size_t n); /* false: no memory */

/* These write without looking: room must have been made. */
static inline void
fo_pg_put16(fo_pg_buffer *b, uint16_t v)
{
    v = __builtin_bswap16(v);
    memcpy(b->data + b->len, &v, sizeof(v));
    b->len += sizeof(v);
}
static inline void
fo_pg_put32(fo_pg_buffer *b, uint32_t v)
{
    v = __builtin_bswap32(v);
    memcpy(b->data + b->len, &v, sizeof(v));
    b->len += sizeof(v);
}
static inline void
fo_pg_put64(fo_pg_buffer *b, uint64_t v)
{
    v = __builtin_bswap64(v);
    memcpy(b->data + b->len, &v, sizeof(v));
    b->len += sizeof(v);
}

/* numeric.c */

typedef enum fo_pg_numeric_sign {
    PG_POSITIVE = 0x0000,
    PG_NEGATIVE = 0x4000,
    PG_NAN = 0xc000,
    PG_INFINITY = 0xd000,
    PG_NEGATIVE_INFINITY = 0xf000
} fo_pg_numeric_sign;

/* Digits in base 10000, without leading and trailing zeros; the first is worth 10000^weight. */
typedef struct fo_pg_numeric {
    fo_pg_numeric_sign sign;
    int weight;
    int n;
    int dscale; /* decimals shown */
    uint16_t groups[PG_NUMERIC_GROUPS];
} fo_pg_numeric;

/* "-12.50", "1e-7", "NaN", "Infinity", without blanks. False: no number, or too long a one. */
bool fo_pg_numeric_parse(const char *p, size_t n, fo_pg_numeric *ret);
/* v * 10^-scale, scale 0..38. */
void fo_pg_numeric_from_decimal(fo_pg_wide v, int scale, fo_pg_numeric *ret);
/* Whether numeric(precision, scale) holds it, losing no digit or, `rounded`, none before the point. */
bool fo_pg_numeric_fits(const fo_pg_numeric *v, int precision, int scale, bool rounded);
/* Length and value, as COPY has them. Needs room for PG_NUMERIC_BYTES(v->n). */
void fo_pg_numeric_put(fo_pg_buffer *b, const fo_pg_numeric *v);
#define PG_NUMERIC_BYTES(groups) (12 + 2 * (size_t)(groups))
/* "-12.50", all decimals of the scale. Returns the length. */
size_t fo_pg_decimal_text(fo_pg_wide v, int scale, char buf[PG_VALUE_TEXT]);
/* The shortest text that reads back. Returns the length. */
size_t fo_pg_double_text(double v, bool single, char buf[PG_VALUE_TEXT]);

/* source.c */

typedef struct fo_pg_source fo_pg_source;
struct fo_pg_source {
    char *name;
    enum ArrowType type; /* of the values; of the dictionary's when there is one */
    enum ArrowTimeUnit unit;
    bool zone;
    int bits, precision, scale; /* of a decimal */
    bool dictionary;
    fo_pg_source *children;
    size_t n_children;
};

finops_code fo_pg_source_init(fo_pg_source *source, const struct ArrowSchema *schema, finops_error **err);
void fo_pg_source_done(fo_pg_source *source);
bool fo_pg_source_nested(const fo_pg_source *source);
/* The type a column of it gets when a table is made: "numeric(38,18)". */
finops_code fo_pg_source_type(const fo_pg_source *source, fo_str *sql, finops_error **err);
/* As a message names it: "decimal(38,18)". */
const char *fo_pg_source_name(const fo_pg_source *source, char buf[PG_VALUE_TEXT]);

typedef enum fo_pg_value_kind {
    PG_V_NULL,
    PG_V_BOOL,
    PG_V_INT,
    PG_V_DOUBLE,
    PG_V_NUMBER, /* a decimal, as text */
    PG_V_TEXT,
    PG_V_BYTES,
    PG_V_DATE,      /* days since 1970 */
    PG_V_TIMESTAMP, /* microseconds since 1970 */
    PG_V_TIME       /* microseconds since midnight */
} fo_pg_value_kind;

#define PG_DAYS_FOREVER INT32_MAX /* infinity, as DuckDB has it; minus that: -infinity */
#define PG_MICROS_FOREVER INT64_MAX

typedef struct fo_pg_value {
    fo_pg_value_kind kind;
    bool single;      /* DOUBLE: of 32 bits */
    bool zone;        /* TIMESTAMP */
    fo_pg_wide whole; /* BOOL, INT, DATE, TIMESTAMP, TIME */
    double real;
    const char *text; /* NUMBER, TEXT, BYTES; in buf or in the batch, without NUL */
    size_t n;
    char buf[PG_VALUE_TEXT];
} fo_pg_value;

/* Row i of a view, not nested. *err is FINOPS_E_DATA for a time that microseconds cannot tell. */
finops_code fo_pg_value_get(const fo_pg_source *source, const struct ArrowArrayView *view, int64_t i,
                            fo_pg_value *ret, finops_error **err);
/* A value as text: BOOL, INT, DOUBLE, DATE, TIMESTAMP, TIME are written into buf, the others borrowed. */
void fo_pg_value_text(fo_pg_value *v, const char **ret, size_t *ret_n);

/* json.c: appends the JSON text of a row; NULL is null. */
finops_code fo_pg_json_add(fo_pg_buffer *out, const fo_pg_source *source, const struct ArrowArrayView *view,
                           int64_t i, finops_error **err);

/* encode.c */

typedef struct fo_pg_field fo_pg_field;
typedef struct fo_pg_encoder fo_pg_encoder;
typedef finops_code (*fo_pg_put)(fo_pg_encoder *e, const fo_pg_field *f, int64_t i, finops_error **err);

struct fo_pg_field {
    const fo_pg_source *source;
    unsigned oid;
    int precision, scale; /* of a numeric; 0, 0: any */
    int length;           /* of a varchar or char; 0: any */
    const char *native;
    fo_pg_put put;
    /* Of the batch. */
    const struct ArrowArrayView *view;
    const uint8_t *validity; /* NULL: no NULLs */
    const void *values;      /* first buffer behind the validity */
    const char *data;        /* second */
    int64_t offset;
    bool has_nul; /* somewhere in its texts */
};

struct fo_pg_encoder {
    fo_pg_buffer out;
    fo_pg_source source; /* the struct of all columns */
    fo_pg_field *fields;
    size_t n;
    size_t fixed; /* room that any row takes beside its texts */
    struct ArrowArrayView view;
    struct ArrowArray batch;
    int64_t next;   /* row of the batch */
    int64_t before; /* rows of the batches before it */
};

finops_code fo_pg_encoder_init(fo_pg_encoder *e, const struct ArrowSchema *schema, finops_error **err);
/* Says where the columns go, by name; FINOPS_E_DATA names one that the table has not, or cannot take. */
finops_code fo_pg_encoder_map(fo_pg_encoder *e, const fo_pg_columns_list *columns, finops_error **err);
void fo_pg_encoder_done(fo_pg_encoder *e);
/* The header and the trailer of the format. */
finops_code fo_pg_encoder_header(fo_pg_encoder *e, finops_error **err);
finops_code fo_pg_encoder_trailer(fo_pg_encoder *e, finops_error **err);
/* Takes the batch. */
finops_code fo_pg_encoder_batch(fo_pg_encoder *e, struct ArrowArray *batch, finops_error **err);
/* Encodes rows of the batch until `limit` bytes are in `out` or the batch is at its end (*ret_more false). */
finops_code fo_pg_encoder_rows(fo_pg_encoder *e, size_t limit, bool *ret_more, finops_error **err);

/* Room for n bytes here and for all of the row that is not text. */
bool fo_pg_encoder_room(fo_pg_encoder *e, size_t n);
/* Each puts length and value. Texts are checked for NUL, times for their range. */
finops_code fo_pg_put_bytes(fo_pg_encoder *e, const char *p, size_t n, finops_error **err);
finops_code fo_pg_put_characters(fo_pg_encoder *e, const char *p, size_t n, finops_error **err);
finops_code fo_pg_put_jsonb(fo_pg_encoder *e, const char *p, size_t n, finops_error **err);
finops_code fo_pg_put_micros(fo_pg_encoder *e, const fo_pg_field *f, int64_t v, finops_error **err);
finops_code fo_pg_put_days(fo_pg_encoder *e, const fo_pg_field *f, int64_t v, finops_error **err);

/* convert.c: which kinds of values a type takes (bits), and a value into a column. */
#define PG_KIND_BIT(kind) (1u << (kind))
unsigned fo_pg_value_takes(unsigned oid);
finops_code fo_pg_value_put(fo_pg_encoder *e, const fo_pg_field *f, fo_pg_value *v, finops_error **err);

/* field.c: chooses `put`; FINOPS_E_DATA when the column cannot take such values. */
finops_code fo_pg_field_init(fo_pg_field *f, const fo_pg_source *source, const fo_pg_column *column,
                             finops_error **err);

#endif
