/* Any text is a configuration file or a refusal: the first byte picks TOML or YAML, the rest is the file. */
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "config/config.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char folder[] = "/tmp/finops-fuzz-XXXXXX";
static char files[2][sizeof(folder) + 16];

static void
clean_up(void)
{
    (void)unlink(files[0]);
    (void)unlink(files[1]);
    (void)rmdir(folder);
}

static void
set_up(void)
{
    if (files[0][0])
        return;
    if (!mkdtemp(folder))
        abort();
    (void)snprintf(files[0], sizeof(files[0]), "%s/config.toml", folder);
    (void)snprintf(files[1], sizeof(files[1]), "%s/config.yaml", folder);
    (void)atexit(clean_up);
}

static void
fill(const char *path, const uint8_t *data, size_t size)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

    if (fd < 0 || write(fd, data, size) != (ssize_t)size || close(fd) != 0)
        abort();
}

/* What loads can also be shown. */
static void
show(const fo_config *config)
{
    finops_error *err = NULL;
    const fo_config_row *rows = NULL;
    size_t n = 0;

    if (fo_config_rows(config, &rows, &n, &err) != FINOPS_OK || n == 0)
        abort();
    for (size_t i = 0; i < n; i++)
        if (!rows[i].key || !rows[i].value || !rows[i].origin)
            abort();
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const no_env[] = { NULL };
    finops_error *err = NULL;
    fo_config *config = NULL;
    const char *path;

    if (size == 0)
        return 0;
    set_up();
    path = files[data[0] & 1];
    fill(path, data + 1, size - 1);
    if (fo_config_load(&(fo_config_source){ .path = path, .env = no_env }, &config, &err) == FINOPS_OK)
        show(config);
    else if (config || !err || !*finops_error_text(err))
        abort();
    fo_config_free(config);
    finops_error_free(err);
    return 0;
}
