/* Listings of files, in order. */
#include "storage/tree.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "storage/file_key.h"
#include "storage/object.h"

#define KEY_MAX ((size_t)64 << 10)
#define CALL_EVERY 64

/* A folder that is being listed. */
typedef struct frame {
    void *folder;
    size_t base; /* bytes of its path in lister.key, with the '/' behind it */
    char *names; /* one after the other, each with its NUL and its note; those of folders end with '/' */
    size_t used, cap;
    uint32_t *order; /* where they begin */
    size_t n, order_cap;
    size_t next;   /* to be told */
    char *last;    /* of an earlier reading, or NULL: names above it */
    char *ceiling; /* of this reading, or NULL: names below it */
} frame;

typedef struct lister {
    const fo_tree *tree;
    const finops_list *list;
    finops_each_object each;
    void *arg;
    const char *filter; /* of the first folder: what its names begin with */
    fo_str key;
    frame *frames;
    size_t depth, cap;
    unsigned told;
    bool stop;
} lister;

struct fo_tree_names {
    lister *s;
    frame *f;
};

/* ---- frames ---- */

static void
frame_done(const fo_tree *tree, frame *f)
{
    tree->leave(tree->arg, f->folder);
    fo_free(f->names);
    fo_free(f->order);
    fo_free(f->last);
    fo_free(f->ceiling);
}

static void
lister_done(lister *s)
{
    for (size_t i = 0; i < s->depth; i++)
        frame_done(s->tree, &s->frames[i]);
    fo_free(s->frames);
    fo_str_done(&s->key);
}

static int
by_bytes(const void *a, const void *b, void *names)
{
    return strcmp((const char *)names + *(const uint32_t *)a, (const char *)names + *(const uint32_t *)b);
}

static const char *
name_at(const frame *f, size_t i)
{
    return f->names + f->order[i];
}

static bool
replace_text(char **text, const char *by)
{
    fo_free(*text);
    *text = fo_strdup(by);
    return *text != NULL;
}

/* Keeps the lower half of the names, closely packed. */
static bool
frame_halve(frame *f, size_t note_size)
{
    char *packed = fo_alloc(f->cap);
    size_t used = 0;

    if (!packed)
        return false;
    qsort_r(f->order, f->n, sizeof(*f->order), by_bytes, f->names);
    f->n = f->n / 2 + 1; /* one at least, however long */
    for (size_t i = 0; i < f->n; i++) {
        size_t size = strlen(name_at(f, i)) + 1 + note_size;

        memcpy(packed + used, name_at(f, i), size);
        f->order[i] = (uint32_t)used;
        used += size;
    }
    fo_free(f->names);
    f->names = packed;
    f->used = used;
    return replace_text(&f->ceiling, name_at(f, f->n - 1));
}

/* The text with its NUL, and the note. */
static bool
frame_add(frame *f, const char *text, const void *note, const fo_tree *tree)
{
    size_t n = strlen(text) + 1;

    if (!fo_grow((void **)&f->names, &f->cap, f->used + n + tree->note_size, 1) ||
        !fo_grow((void **)&f->order, &f->order_cap, f->n + 1, sizeof(*f->order)))
        return false;
    f->order[f->n++] = (uint32_t)f->used;
    memcpy(f->names + f->used, text, n);
    f->used += n;
    if (tree->note_size > 0)
        memcpy(f->names + f->used, note, tree->note_size);
    f->used += tree->note_size;
    return f->used < tree->names_max || f->n < 2 || frame_halve(f, tree->note_size);
}

/* ---- which names ---- */

static bool
is_dots(const char *name)
{
    return name[0] == '.' && (name[1] == '\0' || (name[1] == '.' && name[2] == '\0'));
}

/* Whether keys that begin with `text`, a name in this folder, may come after start_after. */
static bool
comes_after(const lister *s, const frame *f, const char *text)
{
    const char *after = s->list->start_after;
    int differs = after ? strncmp(after, fo_str_z(&s->key), f->base) : -1;

    if (differs != 0)
        return differs < 0;
    after += f->base;
    return strcmp(text, after) > 0 || (!s->list->children && fo_ends(text, "/") && fo_starts(after, text));
}

static bool
is_wanted(const lister *s, const frame *f, const char *text)
{
    return (!f->last || strcmp(text, f->last) > 0) && (!f->ceiling || strcmp(text, f->ceiling) < 0) &&
           (s->depth > 1 || fo_starts(text, s->filter)) && comes_after(s, f, text);
}

finops_code
fo_tree_name(fo_tree_names *to, const char *name, bool is_folder, const void *note, finops_error **err)
{
    char text[FO_FILE_NAME_MAX + 2];
    size_t n = strlen(name);

    if (n == 0 || n > FO_FILE_NAME_MAX || is_dots(name) || strchr(name, '/') || fo_file_is_hidden(name))
        return FINOPS_OK;
    memcpy(text, name, n + 1);
    if (is_folder)
        memcpy(text + n, "/", 2);
    if (is_wanted(to->s, to->f, text) && !frame_add(to->f, text, note, to->s->tree))
        return fo_error_oom(err);
    return FINOPS_OK;
}

static finops_code
frame_read(lister *s, frame *f, finops_error **err)
{
    fo_tree_names to = { .s = s, .f = f };
    finops_code rc;

    f->n = f->next = f->used = 0;
    fo_free(FO_TAKE(f->ceiling));
    rc = s->tree->names(s->tree->arg, f->folder, &to, err);
    if (rc == FINOPS_OK && f->n > 0)
        qsort_r(f->order, f->n, sizeof(*f->order), by_bytes, f->names);
    return rc;
}

/* Begins a folder whose path is in s->key; what vanished or became a link is left out. */
static finops_code
frame_push(lister *s, void *parent, const char *path, finops_error **err)
{
    void *folder = NULL;
    finops_code rc = s->tree->enter(s->tree->arg, parent, path, &folder, err);

    if (rc != FINOPS_OK || !folder)
        return rc;
    if (!fo_grow((void **)&s->frames, &s->cap, s->depth + 1, sizeof(*s->frames))) {
        s->tree->leave(s->tree->arg, folder);
        return fo_error_oom(err);
    }
    s->frames[s->depth++] = (frame){ .folder = folder, .base = s->key.len };
    return frame_read(s, &s->frames[s->depth - 1], err);
}

/* ---- telling ---- */

static finops_code
tell_file(lister *s, const frame *f, size_t i, finops_error **err)
{
    const char *name = name_at(f, i);
    finops_object object = { .key = fo_str_z(&s->key), .size = -1, .modified_us = -1 };
    bool is = false;
    finops_code rc = s->tree->look(s->tree->arg, f->folder, name, name + strlen(name) + 1, &object, &is, err);

    if (rc == FINOPS_OK && is)
        s->stop = !s->each(&object, s->arg);
    return rc;
}

static void
key_cut(lister *s, size_t n)
{
    s->key.len = n;
    if (s->key.data)
        s->key.data[n] = '\0';
}

/* The folder whose path, with its '/', lies in s->key. */
static finops_code
enter(lister *s, const frame *f, finops_error **err)
{
    const finops_object prefix = {
        .key = fo_str_z(&s->key), .is_prefix = true, .size = -1, .modified_us = -1
    };
    FO_AUTO(fo_freep) char *path = fo_strndup(fo_str_z(&s->key), s->key.len - 1);
    bool has = false;
    finops_code rc;

    if (!path)
        return fo_error_oom(err);
    if (!s->list->children)
        return frame_push(s, f->folder, path, err);
    rc = s->tree->has_object(s->tree->arg, f->folder, path, &has, err);
    if (rc == FINOPS_OK && has)
        s->stop = !s->each(&prefix, s->arg);
    return rc;
}

/* The next name of the innermost folder, or the end of it. */
static finops_code
step(lister *s, finops_error **err)
{
    frame *f = &s->frames[s->depth - 1];
    size_t i;

    key_cut(s, f->base);
    if (f->next == f->n && f->ceiling) { /* there were more than it could hold */
        if (!replace_text(&f->last, f->ceiling))
            return fo_error_oom(err);
        return frame_read(s, f, err);
    }
    if (f->next == f->n) {
        frame_done(s->tree, f);
        s->depth--;
        return FINOPS_OK;
    }
    i = f->next++;
    fo_str_add(&s->key, name_at(f, i));
    if (!fo_str_ok(&s->key))
        return fo_str_check(&s->key, err);
    return fo_ends(fo_str_z(&s->key), "/") ? enter(s, f, err) : tell_file(s, f, i, err);
}

/* Opens the folder in which the prefix ends. */
static finops_code
first_folder(lister *s, finops_error **err)
{
    const char *slash = strrchr(s->list->prefix, '/');
    FO_AUTO(fo_freep) char *folder = NULL;

    s->filter = slash ? slash + 1 : s->list->prefix;
    if (!slash)
        return frame_push(s, NULL, "", err);
    folder = fo_strndup(s->list->prefix, (size_t)(slash - s->list->prefix));
    fo_str_addn(&s->key, s->list->prefix, (size_t)(slash - s->list->prefix) + 1);
    if (!folder || !fo_str_ok(&s->key))
        return fo_error_oom(err);
    if (fo_file_key_check(folder, NULL) != FINOPS_OK)
        return FINOPS_OK; /* no key begins so */
    return frame_push(s, NULL, folder, err);
}

finops_code
fo_tree_list(const fo_tree *tree, const finops_list *list, finops_each_object each, void *arg,
             finops_error **err)
{
    FO_AUTO(lister_done)
    lister s = { .tree = tree, .list = list, .each = each, .arg = arg, .key = FO_STR_MAX(KEY_MAX) };
    finops_code rc = first_folder(&s, err);

    while (rc == FINOPS_OK && s.depth > 0 && !s.stop) {
        if (s.told++ % CALL_EVERY == 0)
            rc = fo_call_check(list->call, err);
        if (rc == FINOPS_OK)
            rc = step(&s, err);
    }
    return rc;
}
