/* Sessions: what the front door adds to a driver. */
#include "front_fixture.h"

static void
a_call_without_a_session_is_refused(void **state)
{
    finops_pool_figures figures = { .open = 7 };
    finops_session *none = NULL;
    finops_health health;

    (void)state;
    assert_int_equal(finops_session_acquire(NULL, 0, NULL, &none, NULL), FINOPS_E_ARGUMENT);
    assert_int_equal(finops_session_execute(NULL, NULL, NULL, NULL, NULL), FINOPS_E_ARGUMENT);
    assert_int_equal(finops_session_begin(NULL, NULL), FINOPS_E_ARGUMENT);
    assert_int_equal(finops_session_commit(NULL, NULL), FINOPS_E_ARGUMENT);
    assert_int_equal(finops_session_rollback(NULL, NULL), FINOPS_E_ARGUMENT);
    assert_int_equal(finops_session_columns(NULL, NULL, NULL, NULL, NULL, NULL), FINOPS_E_ARGUMENT);
    assert_int_equal(finops_session_tables(NULL, NULL, NULL, NULL, NULL), FINOPS_E_ARGUMENT);
    assert_int_equal(finops_database_health(NULL, NULL, &health, NULL), FINOPS_E_ARGUMENT);
    finops_database_pool(NULL, &figures);
    assert_int_equal(figures.open, 7);
    assert_string_equal(finops_database_backend(NULL), "");
    finops_session_release(NULL);
    finops_database_close(NULL);
}

static void
a_stream_is_consumed_also_when_the_call_is_refused(void **state)
{
    struct ArrowArrayStream stream;
    const finops_source source = { .stream = &stream };

    (void)state;
    fake_stream(&stream, NULL, 0);
    assert_int_equal(finops_session_write(NULL, NULL, &source, NULL, NULL), FINOPS_E_ARGUMENT);
    assert_null(stream.release);
    fake_stream(&stream, NULL, 0);
    assert_int_equal(finops_session_replace_partition(NULL, NULL, &source, NULL, NULL), FINOPS_E_ARGUMENT);
    assert_null(stream.release);
}

static void
small_results_come_as_text(void **state)
{
    FO_AUTO(fo_rows_freep) fo_rows *rows = NULL;
    fixture *f = *state;
    finops_session *s;

    fixture_open(f, &fake_driver, NULL);
    s = take(f, FINOPS_CONNECT_READ_ONLY);
    assert_int_equal(fo_session_rows(s, "SELECT 1", NULL, 0, &rows, NULL), FINOPS_OK);
    assert_int_equal(fo_rows_count(rows), 1);
    assert_string_equal(fo_rows_text(rows, 0, 0), "1");
    finops_session_release(s);
}

static void
an_open_transaction_is_rolled_back_on_release(void **state)
{
    fixture *f = *state;
    finops_session *s;

    fixture_open(f, &fake_driver, NULL);
    s = take(f, 0);
    assert_int_equal(finops_session_begin(s, NULL), FINOPS_OK);
    assert_true(fo_session_in_transaction(s));
    finops_session_release(s);
    assert_int_equal(atomic_load(&f->world.rollbacks), 1);
    assert_false(fo_session_in_transaction(take(f, 0)));
    finops_session_release(s);
}

static void
transactions_do_not_nest(void **state)
{
    FO_AUTO(finops_error_freep) finops_error *err = NULL;
    fixture *f = *state;
    finops_session *s;

    fixture_open(f, &fake_driver, NULL);
    s = take(f, 0);
    assert_int_equal(finops_session_commit(s, NULL), FINOPS_E_ARGUMENT);
    assert_int_equal(finops_session_rollback(s, NULL), FINOPS_OK);
    assert_int_equal(finops_session_begin(s, NULL), FINOPS_OK);
    assert_int_equal(finops_session_begin(s, &err), FINOPS_E_ARGUMENT);
    assert_string_equal(finops_error_text(err), "a transaction is open already");
    assert_int_equal(finops_session_commit(s, NULL), FINOPS_OK);
    finops_session_release(s);
}

static void
what_a_driver_lacks_is_named(void **state)
{
    FO_AUTO(finops_error_freep) finops_error *err = NULL;
    FO_AUTO(finops_error_freep) finops_error *err2 = NULL;
    fixture *f = *state;
    finops_session *s;

    fixture_open(f, &fake_driver_bare, NULL);
    s = take(f, 0);
    assert_int_equal(finops_session_begin(s, &err), FINOPS_E_UNSUPPORTED);
    assert_string_equal(finops_error_text(err), "transactions are not supported by bare");
    assert_int_equal(fo_session_lock(s, "x", NULL, &err2), FINOPS_E_UNSUPPORTED);
    assert_string_equal(finops_error_text(err2), "locks are not supported by bare");
    finops_session_release(s);
}

static void
sql_of_its_own_is_for_databases_that_read_files(void **state)
{
    const finops_write write = { .schema = "a", .table = "t" };
    const finops_source source = { .sql = "SELECT * FROM read_csv('x')" };
    fixture *f = *state;
    finops_session *s;

    fixture_open(f, &fake_driver, NULL);
    s = take(f, 0);
    assert_int_equal(finops_session_write(s, &write, &source, NULL, NULL), FINOPS_E_UNSUPPORTED);
    assert_int_equal(atomic_load(&f->world.writes), 0);
    finops_session_release(s);
}

static void
a_commit_is_never_repeated_and_says_when_its_outcome_is_unknown(void **state)
{
    FO_AUTO(finops_error_freep) finops_error *err = NULL;
    fixture *f = *state;
    finops_session *s;

    fixture_open(f, &fake_driver, NULL);
    s = take(f, 0);
    f->world.commit_unknown = true;
    f->world.commit.kills = true;
    fake_fail(&f->world.commit, 1, FINOPS_E_TRANSIENT);
    assert_int_equal(finops_session_begin(s, NULL), FINOPS_OK);
    assert_int_equal(finops_session_commit(s, &err), FINOPS_E_TRANSIENT);
    assert_string_equal(finops_error_text(err), "commit: its outcome is unknown: fake fault");
    assert_true(fo_session_commit_unknown(s));
    assert_int_equal(atomic_load(&f->world.commits), 1);
    assert_int_equal(atomic_load(&f->world.rollbacks), 0);
    finops_session_release(s);
}

static void
a_commit_that_failed_for_certain_leaves_nothing_open(void **state)
{
    fixture *f = *state;
    finops_session *s;

    fixture_open(f, &fake_driver, NULL);
    s = take(f, 0);
    fake_fail(&f->world.commit, 1, FINOPS_E_DATABASE);
    assert_int_equal(finops_session_begin(s, NULL), FINOPS_OK);
    assert_int_equal(finops_session_commit(s, NULL), FINOPS_E_DATABASE);
    assert_false(fo_session_commit_unknown(s));
    assert_false(fo_session_in_transaction(s));
    assert_int_equal(atomic_load(&f->world.rollbacks), 1);
    finops_session_release(s);
}

static void
a_read_whose_connection_was_lost_is_repeated_once(void **state)
{
    fixture *f = *state;
    finops_session *s;

    fixture_open(f, &fake_driver, NULL);
    s = take(f, FINOPS_CONNECT_READ_ONLY);
    fake_cut(&f->world);
    assert_int_equal(fo_session_exec(s, "SELECT 1", NULL, 0, NULL, NULL), FINOPS_OK);
    assert_int_equal(atomic_load(&f->world.connects), 2);
    assert_int_equal(atomic_load(&f->world.live), 1);
    f->world.execute.kills = true;
    fake_fail(&f->world.execute, 2, FINOPS_E_TRANSIENT);
    assert_int_equal(fo_session_exec(s, "SELECT 1", NULL, 0, NULL, NULL), FINOPS_E_TRANSIENT);
    assert_int_equal(atomic_load(&f->world.executes), 4);
    finops_session_release(s);
}

static void
a_statement_that_may_write_is_not_repeated(void **state)
{
    fixture *f = *state;
    finops_session *s;

    fixture_open(f, &fake_driver, NULL);
    s = take(f, 0);
    fake_cut(&f->world);
    assert_int_equal(fo_session_exec(s, "DELETE", NULL, 0, NULL, NULL), FINOPS_E_TRANSIENT);
    assert_int_equal(atomic_load(&f->world.executes), 1);
    finops_session_release(s);
}

static void
a_transaction_begins_on_a_new_connection_when_the_pools_was_lost(void **state)
{
    fixture *f = *state;
    finops_session *s;

    fixture_open(f, &fake_driver, NULL);
    finops_session_release(take(f, 0));
    fake_cut(&f->world);
    s = take(f, 0); /* used a moment ago, so nobody looked */
    assert_int_equal(finops_session_begin(s, NULL), FINOPS_OK);
    assert_int_equal(finops_session_commit(s, NULL), FINOPS_OK);
    fake_cut(&f->world);
    assert_int_equal(finops_session_begin(s, NULL),
                     FINOPS_E_TRANSIENT); /* it may have had tables of its own */
    finops_session_release(s);
    assert_int_equal(atomic_load(&f->world.connects), 2);
}

static void
a_read_inside_a_transaction_is_not_repeated(void **state)
{
    fixture *f = *state;
    finops_session *s;

    fixture_open(f, &fake_driver, NULL);
    s = take(f, FINOPS_CONNECT_READ_ONLY);
    assert_int_equal(finops_session_begin(s, NULL), FINOPS_OK);
    fake_cut(&f->world);
    assert_int_equal(fo_session_exec(s, "SELECT 1", NULL, 0, NULL, NULL), FINOPS_E_TRANSIENT);
    finops_session_release(s);
    assert_int_equal(atomic_load(&f->world.connects), 1);
}

static void
a_transient_failure_on_a_good_connection_is_not_repeated(void **state)
{
    fixture *f = *state;
    finops_session *s;

    fixture_open(f, &fake_driver, NULL);
    s = take(f, FINOPS_CONNECT_READ_ONLY);
    fake_fail(&f->world.execute, 1, FINOPS_E_TRANSIENT);
    assert_int_equal(fo_session_exec(s, "SELECT 1", NULL, 0, NULL, NULL), FINOPS_E_TRANSIENT);
    assert_int_equal(atomic_load(&f->world.executes), 1);
    finops_session_release(s);
}

static void
a_connection_with_a_lock_is_closed_on_release(void **state)
{
    fixture *f = *state;
    finops_session *s;

    fixture_open(f, &fake_driver, NULL);
    s = take(f, 0);
    assert_int_equal(fo_session_lock(s, "import", NULL, NULL), FINOPS_OK);
    assert_int_equal(fo_session_unlock(s, "import", NULL), FINOPS_OK);
    finops_session_release(s);
    assert_int_equal(atomic_load(&f->world.live), 1);
    s = take(f, 0);
    assert_int_equal(fo_session_lock(s, "import", NULL, NULL), FINOPS_OK);
    finops_session_release(s);
    assert_int_equal(atomic_load(&f->world.live), 0);
}

static void
the_default_call_reads_the_cancel(void **state)
{
    fixture *f = *state;
    fo_cancel cancel = { 0 };
    const finops_call *call;
    finops_session *s;

    fixture_open(f, &fake_driver, NULL);
    s = take(f, 0);
    assert_null(fo_session_call(s));
    fo_session_set_cancel(s, &cancel);
    call = fo_session_call(s);
    assert_false(call->cancelled(call->arg));
    fo_cancel_request(&cancel);
    assert_true(call->cancelled(call->arg));
    finops_session_release(s);
    assert_null(fo_session_call(take(f, 0)));
    finops_session_release(s);
}

static void
the_backend_behind_a_session_can_be_told(void **state)
{
    fixture *f = *state;
    finops_capabilities c = { 0 };
    finops_session *s;

    fixture_open(f, &fake_driver, NULL);
    s = take(f, 0);
    finops_database_capabilities(f->database, &c);
    assert_int_equal(c.max_identifier, 63);
    assert_int_equal(fo_session_capabilities(s)->max_identifier, 63);
    assert_ptr_equal(fo_session_database(s), f->database);
    assert_ptr_equal(fo_session_driver(s), &fake_driver);
    assert_non_null(fo_session_native(s));
    finops_session_release(s);
}

static void
names_are_quoted_and_without_schemas_joined(void **state)
{
    FO_AUTO(fo_str_done) fo_str text = FO_STR_INIT;
    finops_capabilities c = { .features = FINOPS_DATABASE_SCHEMAS, .quote = '"' };

    (void)state;
    fo_front_table(&c, "a\"b", "t", &text);
    fo_str_addc(&text, ' ');
    fo_front_table(&c, NULL, "t", &text);
    c = (finops_capabilities){ .quote = '`' };
    fo_str_addc(&text, ' ');
    fo_front_table(&c, "a`", "t", &text);
    assert_string_equal(fo_str_z(&text), "\"a\"\"b\".\"t\" \"t\" `a``__t`");
}

static finops_code
open_with(finops_registry *registry, const char *name, const char *value, finops_error **err)
{
    const finops_setting setting = { name, value };
    finops_database *database = NULL;
    finops_code rc = finops_database_open(registry, "fake", &setting, 1, NULL, &database, err);

    assert_true((rc == FINOPS_OK) == (database != NULL));
    finops_database_close(database);
    return rc;
}

static void
expect_refusal(finops_registry *registry, const char *name, const char *value, const char *text)
{
    FO_AUTO(finops_error_freep) finops_error *err = NULL;

    assert_int_equal(open_with(registry, name, value, &err), FINOPS_E_CONFIG);
    assert_string_equal(finops_error_text(err), text);
}

static void
settings_are_checked_before_anything_is_opened(void **state)
{
    FO_AUTO(finops_registry_freep) finops_registry *registry = NULL;
    FO_AUTO(finops_error_freep) finops_error *err = NULL;

    (void)state;
    assert_int_equal(fo_registry_new_empty(&registry, NULL), FINOPS_OK);
    assert_int_equal(finops_registry_add(registry, &fake_driver, NULL), FINOPS_OK);
    expect_refusal(registry, "port", "100", "fake.port: expected a whole number from 1 to 99, found \"100\"");
    expect_refusal(registry, "password", "x", "fake.password needs mode, which is not set");
    assert_int_equal(open_with(registry, "prot", "1", &err), FINOPS_E_CONFIG);
    assert_string_equal(finops_error_text(err), "fake has no option prot");
    assert_string_equal(finops_error_hint(err), "did you mean port");
    assert_int_equal(open_with(registry, "port", NULL, NULL), FINOPS_E_ARGUMENT);
    assert_int_equal(open_with(NULL, "port", "1", NULL), FINOPS_E_ARGUMENT);
    assert_int_equal(atomic_load(&fake_default()->closes), 0);
    assert_int_equal(open_with(registry, "port", "7", NULL), FINOPS_OK);
    assert_int_equal(atomic_load(&fake_default()->closes), 1);
}

static void
an_open_database_holds_its_driver(void **state)
{
    FO_AUTO(finops_registry_freep) finops_registry *registry = NULL;
    finops_database *database = NULL, *none = NULL;

    (void)state;
    assert_int_equal(fo_registry_new_empty(&registry, NULL), FINOPS_OK);
    assert_int_equal(finops_registry_add(registry, &fake_driver, NULL), FINOPS_OK);
    assert_int_equal(finops_database_open(registry, "none", NULL, 0, NULL, &none, NULL), FINOPS_E_NOT_FOUND);
    assert_int_equal(finops_database_open(registry, "fake", NULL, 0, NULL, &database, NULL), FINOPS_OK);
    assert_int_equal(finops_registry_remove(registry, "fake", false, NULL), FINOPS_E_BUSY);
    finops_database_close(database);
    assert_int_equal(finops_registry_remove(registry, "fake", false, NULL), FINOPS_OK);
}

static void
opening_survives_every_failed_allocation(void **state)
{
    FO_AUTO(finops_registry_freep) finops_registry *registry = NULL;
    const finops_setting settings[] = { { "host", "a" }, { "mode", "fast" } };
    finops_database *database = NULL;
    finops_code rc;
    unsigned n = 0;

    (void)state;
    assert_int_equal(fo_registry_new_empty(&registry, NULL), FINOPS_OK);
    assert_int_equal(finops_registry_add(registry, &fake_driver, NULL), FINOPS_OK);
    do {
        fo_mem_fail_at(++n);
        rc = finops_database_open(registry, "fake", settings, 2, NULL, &database, NULL);
        assert_int_equal(rc, fo_mem_failed() ? FINOPS_E_MEMORY : FINOPS_OK);
        assert_true((database != NULL) == (rc == FINOPS_OK));
    } while (rc != FINOPS_OK);
    fo_mem_fail_at(0);
    finops_database_close(database);
}

/* Changed by a statement, which the session cannot know of: BEGIN in a library, a migration, by hand. */
static void
a_transaction_begun_by_a_statement_does_not_reach_the_next_user(void **state)
{
    static const char *const begins[] = { "BEGIN", " start transaction", "-- a\n/* b */ Begin;" };
    fixture *f = *state;

    fixture_open(f, &fake_driver, NULL);
    for (unsigned i = 0; i < FO_COUNT(begins); i++) {
        finops_session *s = take(f, 0);

        assert_int_equal(fo_session_exec(s, begins[i], NULL, 0, NULL, NULL), FINOPS_OK);
        finops_session_release(s);
        assert_int_equal(atomic_load(&f->world.rollbacks), i + 1);
    }
    assert_int_equal(atomic_load(&f->world.connects), 1);
}

static void
a_connection_whose_transaction_cannot_be_ended_is_closed(void **state)
{
    fixture *f = *state;
    finops_session *s;

    fixture_open(f, &fake_driver_bare, NULL);
    s = take(f, 0);
    assert_int_equal(fo_session_exec(s, "BEGIN", NULL, 0, NULL, NULL), FINOPS_OK);
    finops_session_release(s);
    assert_int_equal(atomic_load(&f->world.live), 0);
}

static void
a_transaction_begun_and_ended_by_statements_is_over(void **state)
{
    static const char *const ends[] = { "COMMIT", "end", "ROLLBACK", "abort" };
    fixture *f = *state;

    fixture_open(f, &fake_driver, NULL);
    for (unsigned i = 0; i < FO_COUNT(ends); i++) {
        finops_session *s = take(f, 0);

        assert_int_equal(fo_session_exec(s, "BEGIN", NULL, 0, NULL, NULL), FINOPS_OK);
        assert_int_equal(fo_session_exec(s, ends[i], NULL, 0, NULL, NULL), FINOPS_OK);
        finops_session_release(s);
    }
    assert_int_equal(atomic_load(&f->world.rollbacks), 0);
}

static void
going_back_to_a_savepoint_ends_no_transaction(void **state)
{
    fixture *f = *state;
    finops_session *s;

    fixture_open(f, &fake_driver, NULL);
    s = take(f, 0);
    assert_int_equal(fo_session_exec(s, "BEGIN", NULL, 0, NULL, NULL), FINOPS_OK);
    assert_int_equal(fo_session_exec(s, "ROLLBACK TO SAVEPOINT a", NULL, 0, NULL, NULL), FINOPS_OK);
    finops_session_release(s);
    assert_int_equal(atomic_load(&f->world.rollbacks), 1);
}

static finops_registry *drained_registry;

static finops_code
drain_and_fail(const void *config, void **ret_self, finops_error **err)
{
    (void)config, (void)ret_self;
    assert_int_equal(finops_registry_remove(drained_registry, "fake", true, NULL), FINOPS_OK);
    return fo_error_set(err, FINOPS_E_CONFIG, "not today");
}

/* Its options are the plugin's memory, or as here those of a driver of the past the registry's. */
static void
a_driver_that_drains_while_it_fails_to_open_goes_after_its_options_were_used(void **state)
{
    const finops_setting settings[] = { { "host", "a" }, { "mode", "fast" } };
    FO_AUTO(finops_registry_freep) finops_registry *registry = NULL;
    FO_AUTO(finops_error_freep) finops_error *err = NULL;
    finops_database_driver past = fake_driver;
    finops_database *database = NULL;

    (void)state;
    past.size = offsetof(finops_database_driver, lock);
    past.open = drain_and_fail;
    assert_int_equal(fo_registry_new_empty(&registry, NULL), FINOPS_OK);
    assert_int_equal(finops_registry_add(registry, &past, NULL), FINOPS_OK);
    drained_registry = registry;
    assert_int_equal(finops_database_open(registry, "fake", settings, 2, NULL, &database, &err),
                     FINOPS_E_CONFIG);
    assert_string_equal(finops_error_text(err), "not today");
    assert_null(database);
    assert_int_equal(finops_registry_add(registry, &past, NULL), FINOPS_OK); /* its name is free */
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_call_without_a_session_is_refused),
        TEST(a_stream_is_consumed_also_when_the_call_is_refused),
        TEST(small_results_come_as_text),
        TEST(an_open_transaction_is_rolled_back_on_release),
        TEST(transactions_do_not_nest),
        TEST(what_a_driver_lacks_is_named),
        TEST(sql_of_its_own_is_for_databases_that_read_files),
        TEST(a_commit_is_never_repeated_and_says_when_its_outcome_is_unknown),
        TEST(a_commit_that_failed_for_certain_leaves_nothing_open),
        TEST(a_read_whose_connection_was_lost_is_repeated_once),
        TEST(a_statement_that_may_write_is_not_repeated),
        TEST(a_transaction_begins_on_a_new_connection_when_the_pools_was_lost),
        TEST(a_read_inside_a_transaction_is_not_repeated),
        TEST(a_transient_failure_on_a_good_connection_is_not_repeated),
        TEST(a_connection_with_a_lock_is_closed_on_release),
        TEST(the_default_call_reads_the_cancel),
        TEST(the_backend_behind_a_session_can_be_told),
        TEST(names_are_quoted_and_without_schemas_joined),
        TEST(settings_are_checked_before_anything_is_opened),
        TEST(an_open_database_holds_its_driver),
        TEST(opening_survives_every_failed_allocation),
        TEST(a_transaction_begun_by_a_statement_does_not_reach_the_next_user),
        TEST(a_connection_whose_transaction_cannot_be_ended_is_closed),
        TEST(a_transaction_begun_and_ended_by_statements_is_over),
        TEST(going_back_to_a_savepoint_ends_no_transaction),
        TEST(a_driver_that_drains_while_it_fails_to_open_goes_after_its_options_were_used),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
