/* Inside of the reader of records: one file's text, cut into records. */
#ifndef FO_ENGINE_RECORDS_INTERNAL_H
#define FO_ENGINE_RECORDS_INTERNAL_H

#include "engine/inflate.h"
#include "engine/records.h"

/* A growing piece of text that is used again and again. */
typedef struct fo_scratch {
    char *p;
    size_t n, cap;
} fo_scratch;

bool fo_scratch_room(fo_scratch *s, size_t n); /* for n bytes in all */

typedef struct fo_record {
    const char *text; /* until the next one */
    size_t n;
    int64_t line; /* it begins with */
    bool open;    /* the file ends inside quotes */
} fo_record;

typedef struct fo_record_source fo_record_source;

finops_code fo_record_source_open(fo_files *files, const fo_records_file *input, fo_record_source **ret,
                                  finops_error **err);
/* *ret_any is false at the end. */
finops_code fo_record_source_next(fo_record_source *source, fo_record *ret, bool *ret_any,
                                  finops_error **err);
void fo_record_source_close(fo_record_source *source);

/* A field of a CSV record; p NULL: NULL. */
typedef struct fo_record_field {
    const char *p;
    size_t n;
} fo_record_field;

/*
 * Splits a record into at most `max` fields, whose text is in the record or in scratch. Returns how many
 * there are, also beyond max; SIZE_MAX when text follows a closing quote; scratch without room: 0.
 */
size_t fo_record_split(const fo_record *record, fo_scratch *scratch, fo_record_field *fields, size_t max);
/* The JSON text with every number in quotes, into out. False: no memory. */
bool fo_record_exact(const char *p, size_t n, fo_scratch *out);

#endif
