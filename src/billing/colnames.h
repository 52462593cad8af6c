/*
 * Which column each header of an export becomes, remembered in billing_state.column_names so that it is the
 * same in every month.
 *
 * Headers that fold to one name in one file both keep their values: the later one gets a suffix from its own
 * hash. Spellings of one name in different files share the column when one of them is the plain spelling or
 * the dictionary knows the name.
 */
#ifndef FO_BILLING_COLNAMES_H
#define FO_BILLING_COLNAMES_H

#include "base/str.h"
#include "database/statement.h"

typedef struct fo_colnames fo_colnames;

finops_code fo_colnames_load(fo_database *database, const char *vendor, const char *export_name,
                             fo_colnames **ret, finops_error **err);
/* The same out of rows (header, column) read elsewhere. */
finops_code fo_colnames_from_rows(const fo_rows *rows, const char *vendor, const char *export_name,
                                  fo_colnames **ret, finops_error **err);
void fo_colnames_free(fo_colnames *names);
void fo_colnames_freep(fo_colnames **names);

/*
 * The columns of one file's headers, in order, added to *ret. Names that are new are kept until
 * fo_colnames_save. A sentence for each suffix given is added to warnings.
 */
finops_code fo_colnames_assign(fo_colnames *names, const fo_strv *headers, fo_strv *ret, fo_strv *warnings,
                               finops_error **err);
/*
 * A column got another name: what the files call `from` (or what folds to it) is the column `to` from now on,
 * also where that is renamed itself. It is kept with the names once it was of use: a file had the header, or
 * a table has the column. FINOPS_E_CONFIG when it was renamed otherwise before, or the names go round.
 */
finops_code fo_colnames_rename(fo_colnames *names, const char *from, const char *to, finops_error **err);
/* Renames that were of use, from 0: columns of old and the name that is theirs in the end; false: no more. */
bool fo_colnames_renamed(const fo_colnames *names, size_t i, const char **ret_from, const char **ret_to);

/* Writes what was added since load or the last save; call it in the transaction that publishes.
 * FINOPS_E_TRANSIENT when another importer decided otherwise since: load them again, and the files' headers.
 */
finops_code fo_colnames_save(fo_database *database, fo_colnames *names, finops_error **err);

/* Keys of nested columns are headers "column[key]": all of them, for the unified view. */
size_t fo_colnames_count(const fo_colnames *names);
const char *fo_colnames_header(const fo_colnames *names, size_t i);
const char *fo_colnames_column(const fo_colnames *names, size_t i);

#endif
