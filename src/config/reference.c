/* The reference page of the configuration, made from the option tables so that it cannot be out of date. */
#include <string.h>

#include "base/mem.h"
#include "config/config_internal.h"

static const char intro[] =
    "# Configuration\n\n"
    "Written by `finops manual configuration` from the option tables in src/config/settings.c; change those "
    "instead of\nthis page.\n\n"
    "One file, TOML or YAML by the ending of its name: the one named with `--config`, else `config.toml`,\n"
    "`config.yaml` or `config.yml` in the current folder, else the same names in `$XDG_CONFIG_HOME/finops`, "
    "which is\n"
    "usually `~/.config/finops`. Nothing has to be set: every option has a default or may stay unset.\n\n"
    "A flag wins over the environment, the environment over the file, the file over the default.\n"
    "`finops config show` prints every value with where it came from, `finops config check` tells what is "
    "wrong,\n"
    "and `finops config schema` prints a JSON schema that editors complete from.\n\n"
    "An empty text means unset, and so does an empty environment variable. Relative paths start at the "
    "folder\n"
    "finops is run in. A file that holds a secret must be readable by its owner alone (`chmod 600 "
    "config.toml`).\n"
    "YAML is taken without anchors, aliases and tags.\n";

static const char plugins[] =
    "\nA backend that comes as a plugin has its own section, `[database.<name>]`, with the options that\n"
    "`finops backends describe <name>` tells, and environment variables "
    "`OPEN_FINOPS_DATABASE_<NAME>_<OPTION>`. They are\n"
    "checked when the backend is opened. Sections of backends that are not used may stay.\n";

static const char places[] =
    "\nEach place has a section with a name of yours, such as `[storage.bronze]`, and is then written "
    "`bronze:key` where\nan address is wanted. It says `address`, such as `s3://bucket/prefix`, "
    "`az://container` "
    "or a folder; or `backend`\nand the options of that backend that say where it is. All other options are "
    "those of the backend, and of the layers\naround it, each in a section of its own such as "
    "`[storage.bronze.retry]`. Environment variables\n"
    "`OPEN_FINOPS_STORAGE_<NAME>_<OPTION>` and `OPEN_FINOPS_STORAGE_<NAME>_<LAYER>_<OPTION>` win over the "
    "file; "
    "a\nplace needs no section when `OPEN_FINOPS_STORAGE_<NAME>_ADDRESS` is set. Variables of other tools, "
    "such as\n`AWS_REGION`, fill what nothing else sets, and credentials only where the place has none of "
    "its "
    "own; `[network]`\nfills `proxy`, `no_proxy`, `ca_file` and the time limit. What is wrong is told by "
    "`finops config check` and when the\nplace is used.\n\n"
    "```toml\n[storage.bronze]\naddress = \"s3://company-raw/bronze\"\nregion = \"eu-central-1\"\n\n"
    "[storage.bronze.retry]\nattempts = 3\n```\n\n"
    "```yaml\nstorage:\n  bronze:\n    address: s3://company-raw/bronze\n    region: eu-central-1\n"
    "    retry:\n      attempts: 3\n```\n";

static const char heading[] = "| Key | Value | Default | Environment | Meaning |\n"
                              "| --- | --- | --- | --- | --- |\n";

static void
add_code(fo_str *ret, const char *text)
{
    fo_str_addf(ret, "`%s`", text);
}

static void
add_type(const finops_option *option, fo_str *ret)
{
    if (option->type == FINOPS_OPT_STRING)
        fo_str_add(ret, option->flags & FINOPS_OPT_SECRET ? "text, secret" : "text");
    else if (option->type == FINOPS_OPT_DATE)
        fo_str_add(ret, "`YYYY-MM` or `YYYY-MM-DD`");
    else
        fo_option_expected(option, ret);
}

static finops_code
add_env(const fo_config_section *section, const finops_option *option, fo_str *ret, finops_error **err)
{
    finops_code rc;

    fo_str_addc(ret, '`');
    rc = fo_option_env_name(section->path, option->name, ret, err);
    if (rc != FINOPS_OK)
        return rc;
    fo_str_addc(ret, '`');
    for (const char *p = option->env; p && *p;) {
        size_t n = strcspn(p, " ");

        fo_str_addf(ret, ", `%.*s`", (int)n, p);
        p += n;
        p += strspn(p, " ");
    }
    return FINOPS_OK;
}

static finops_code
add_option(const fo_config_section *section, const finops_option *option, fo_str *ret, finops_error **err)
{
    finops_code rc;

    fo_str_add(ret, "| ");
    add_code(ret, option->name);
    fo_str_add(ret, " | ");
    add_type(option, ret);
    fo_str_add(ret, " | ");
    if (option->value && option->value[0])
        add_code(ret, option->value);
    fo_str_add(ret, " | ");
    rc = add_env(section, option, ret, err);
    fo_str_addf(ret, " | %s", option->help);
    if (option->needs)
        fo_str_addf(ret, " Needs `%s`.", option->needs);
    fo_str_add(ret, " |\n");
    return rc;
}

/* The rows of aws.exports are those of aws. */
static void
add_repeated(const fo_config_section *section, fo_str *ret)
{
    fo_str_addf(
        ret,
        "\n## [[%s]]\n\n%s\n\nEach entry takes the options of the section above it; environment variables "
        "fill that section only.\n"
        "The credentials (`profile`, `access_key_id`, `secret_access_key`, `session_token`) go together: an\n"
        "entry that sets one of them takes none from above. Flags count for every entry, but `--bucket`, "
        "`--prefix`\n"
        "and `--export-name` do not: they say what an export is.\n\n"
        "```toml\n[aws]\nbucket = \"company-billing\"\nregion = \"eu-central-1\"\n\n"
        "[[aws.exports]]\nprefix = \"payer-one\"\nexport_name = \"hourly\"\n\n"
        "[[aws.exports]]\nprefix = \"payer-two\"\nexport_name = \"daily\"\nprofile = \"payer-two\"\n```\n\n"
        "```yaml\naws:\n  bucket: company-billing\n  region: eu-central-1\n  exports:\n"
        "    - prefix: payer-one\n      export_name: hourly\n"
        "    - prefix: payer-two\n      export_name: daily\n      profile: payer-two\n```\n",
        section->path, section->help);
}

/* Of a place, whose name is the user's: OPEN_FINOPS_STORAGE_<NAME>_REGION. */
static finops_code
add_table(const char *path, const finops_option *options, fo_str *ret, finops_error **err)
{
    const fo_config_section section = { .path = path };
    finops_code rc = FINOPS_OK;

    fo_str_add(ret, heading);
    for (const finops_option *option = options; rc == FINOPS_OK && option && option->name; option++)
        rc = add_option(&section, option, ret, err);
    return rc;
}

static finops_code
add_places(const fo_config_storages *storages, fo_str *ret, finops_error **err)
{
    finops_code rc = FINOPS_OK;

    fo_str_add(ret, places);
    for (size_t i = 0; rc == FINOPS_OK && storages && i < storages->n_drivers; i++) {
        const fo_config_table *t = &storages->drivers[i];

        fo_str_addf(ret, "\n### Backend %s\n\n%s%s\n\n", t->name, t->summary,
                    fo_ends(t->summary, ".") ? "" : ".");
        rc = add_table("storage.<name>", t->options, ret, err);
    }
    for (size_t i = 0; rc == FINOPS_OK && storages && i < storages->n_layers; i++) {
        const fo_config_table *t = &storages->layers[i];
        FO_AUTO(fo_freep) char *path = fo_format("storage.<name>.%s", t->name);

        if (!path)
            return fo_error_oom(err);
        fo_str_addf(ret, "\n### [%s]\n\n", path);
        rc = add_table(path, t->options, ret, err);
    }
    return rc;
}

static finops_code
add_section(const fo_config_section *section, const fo_config_storages *storages, fo_str *ret,
            finops_error **err)
{
    finops_code rc = FINOPS_OK;

    if (section->repeated) {
        add_repeated(section, ret);
        return FINOPS_OK;
    }
    fo_str_addf(ret, "\n## [%s]\n\n%s\n", section->path, section->help);
    if (section->options->name)
        fo_str_addf(ret, "\n%s", heading);
    for (const finops_option *option = section->options; option->name && rc == FINOPS_OK; option++)
        rc = add_option(section, option, ret, err);
    if (fo_streq(section->path, "database"))
        fo_str_add(ret, plugins);
    if (rc == FINOPS_OK && fo_streq(section->path, "storage"))
        rc = add_places(storages, ret, err);
    return rc;
}

finops_code
fo_config_reference(const fo_config_storages *storages, fo_str *ret, finops_error **err)
{
    finops_code rc = FINOPS_OK;

    fo_str_add(ret, intro);
    for (const fo_config_section *s = fo_config_sections; s->path && rc == FINOPS_OK; s++)
        rc = add_section(s, storages, ret, err);
    return rc == FINOPS_OK ? fo_str_check(ret, err) : rc;
}
