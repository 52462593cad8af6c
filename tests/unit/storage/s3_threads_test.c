/* The S3 driver and many threads at once; the thread sanitizer looks on. */
#include "s3_test.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>

#include "base/clock.h"
#include "storage/writer.h"

/* ---- what is learned ---- */

typedef struct wrong_clock {
    pthread_barrier_t both; /* requests are under way */
    atomic_uint asked;
} wrong_clock;

static void
refuse_two_for_their_time(fake_http_conn *conn, const char *request, size_t n, void *arg)
{
    static const char body[] = ERROR_BODY("RequestTimeTooSkewed");
    wrong_clock *w = arg;

    (void)request;
    (void)n;
    if (atomic_fetch_add(&w->asked, 1) >= 2) {
        fake_http_reply(conn, "200 OK", "", "", 0);
        return;
    }
    (void)pthread_barrier_wait(&w->both);
    fake_http_reply(conn, "403 Forbidden", "Date: Tue, 14 Nov 2023 23:13:20 GMT\r\n", body, strlen(body));
}

static void *
ask(void *self)
{
    finops_reader *reader = NULL;

    if (d->read(self, &(finops_get){ .key = "k", .length = -1 }, &reader, NULL) != FINOPS_OK)
        return self;
    reader->close(reader);
    return NULL;
}

/* What the first of them learns is no reason for the second one to give up. */
static void
the_clock_is_learned_by_two_threads_at_once(void **state)
{
    wrong_clock w = { .asked = 0 };
    scripted f = { .driver = d, .server = fake_http_start(refuse_two_for_their_time, &w) };
    pthread_t threads[2];

    (void)state;
    assert_int_equal(pthread_barrier_init(&w.both, NULL, 2), 0);
    fo_clock_fix(INT64_C(1700000000000000));
    open_with(&f, NULL, 0);
    for (unsigned i = 0; i < 2; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, ask, f.self), 0);
    for (unsigned i = 0; i < 2; i++) {
        void *failed = NULL;
        assert_int_equal(pthread_join(threads[i], &failed), 0);
        assert_null(failed);
    }
    fo_clock_fix(-1);
    scripted_end(&f);
    (void)pthread_barrier_destroy(&w.both);
}

/* ---- a service that takes parts, whichever comes first ---- */

#define PARTS_MAX 400

typedef struct service {
    size_t part_size;             /* of all parts but the last, whose bytes are checked; 0: they are not */
    unsigned fails;               /* number of the part that it refuses; 0: none */
    atomic_uint taken[PARTS_MAX]; /* how often each came */
    atomic_uint commits, aborts;
    const char *_Atomic problem; /* NULL: none */
} service;

static unsigned char
byte_at(size_t at)
{
    return (unsigned char)(at * UINT64_C(2654435761) >> 13);
}

static void
take_part(fake_http_conn *conn, const char *request, size_t n, service *s)
{
    unsigned number = (unsigned)strtoul(strstr(request, "partNumber=") + strlen("partNumber="), NULL, 10);
    const char *body = strstr(request, "\r\n\r\n") + 4;
    size_t size = n - (size_t)(body - request);
    char etag[40];

    if (number == s->fails) {
        fake_http_reply(conn, "403 Forbidden", "", "", 0);
        return;
    }
    for (size_t i = 0; s->part_size > 0 && i < size; i++)
        if ((unsigned char)body[i] != byte_at((number - 1) * s->part_size + i))
            s->problem = "a part has bytes of another";
    atomic_fetch_add(&s->taken[number % PARTS_MAX], 1);
    (void)snprintf(etag, sizeof(etag), "ETag: \"part %u\"\r\n", number);
    fake_http_pause(number % 3);
    fake_http_reply(conn, "200 OK", etag, "", 0);
}

/* The parts in order, each with the ETag it was given. */
static void
take_commit(fake_http_conn *conn, const char *request, service *s)
{
    const char *at = request;
    char want[100];

    for (unsigned i = 1; i < PARTS_MAX && s->taken[i] > 0; i++) {
        (void)snprintf(want, sizeof(want), "<PartNumber>%u</PartNumber><ETag>&quot;part %u&quot;</ETag>", i,
                       i);
        at = at ? strstr(at, want) : NULL;
        if (s->taken[i] != 1)
            s->problem = "a part came twice";
    }
    if (!at)
        s->problem = "the parts of the commit are not those that were sent";
    atomic_fetch_add(&s->commits, 1);
    fake_http_reply(conn, "200 OK", "", COMMITTED, strlen(COMMITTED));
}

static void
serve(fake_http_conn *conn, const char *request, size_t n, void *arg)
{
    service *s = arg;

    if (strncmp(request, "PUT ", 4) == 0) {
        take_part(conn, request, n, s);
    } else if (strncmp(request, "DELETE ", 7) == 0) {
        atomic_fetch_add(&s->aborts, 1);
        fake_http_reply(conn, "204 No Content", "", "", 0);
    } else if (strstr(request, "?uploads")) {
        fake_http_reply(conn, "200 OK", "", CREATED, strlen(CREATED));
    } else {
        take_commit(conn, request, s);
    }
}

typedef struct sender {
    finops_upload *u;
    unsigned number;
    finops_code rc;
} sender;

static void *
send_one(void *arg)
{
    sender *s = arg;

    s->rc = s->u->part(s->u, s->number, 0, "123456789", 9, NULL, NULL);
    return NULL;
}

static void
parts_that_come_at_once_are_all_kept(void **state)
{
    enum { ROUNDS = 20, PARTS = 12 };
    service a = { .problem = NULL };
    scripted f = { .driver = d, .server = fake_http_start(serve, &a) };

    (void)state;
    open_with(&f, NULL, 0);
    for (int i = 0; i < ROUNDS; i++) {
        sender senders[PARTS];
        pthread_t threads[PARTS];
        finops_upload *u = NULL;

        for (unsigned p = 0; p < PARTS_MAX; p++)
            atomic_store(&a.taken[p], 0);
        ok(d->upload(f.self, &(finops_put){ .key = "k", .size = -1 }, &u, &f.err), &f.err);
        for (unsigned p = 0; p < PARTS; p++) {
            senders[p] = (sender){ .u = u, .number = PARTS - p };
            assert_int_equal(pthread_create(&threads[p], NULL, send_one, &senders[p]), 0);
        }
        for (unsigned p = 0; p < PARTS; p++) {
            assert_int_equal(pthread_join(threads[p], NULL), 0);
            assert_int_equal(senders[p].rc, FINOPS_OK);
        }
        ok(u->commit(u, PARTS, (int64_t)PARTS * 9, NULL, NULL, &f.err), &f.err);
        u->close(u);
    }
    assert_null(a.problem);
    scripted_end(&f);
}

/* ---- the writer ---- */

enum { PART = 16384, PARTS = 150, LAST = 5 };

/* Parts as small as no service takes them, so that there can be many. */
static finops_code
upload_of_small_parts(void *self, const finops_put *put, finops_upload **ret, finops_error **err)
{
    finops_code rc = d->upload(self, put, ret, err);

    if (rc == FINOPS_OK)
        (*ret)->min_part = PART;
    return rc;
}

/* Writes it all with sixteen threads; what the commit says, or what fails before it. */
static finops_code
write_parts(scripted *f, int64_t promised)
{
    static finops_storage_driver small;
    const fo_stage stage = { .driver = &small, .self = f->self };
    const finops_transfer transfer = { .part_size = PART, .single_max = PART, .parallel = 16 };
    const finops_put put = { .key = "k", .size = promised };
    const size_t size = (size_t)PART * (PARTS - 1) + LAST;
    FO_AUTO(fo_freep) unsigned char *bytes = fo_alloc(size);
    finops_writer *writer = NULL;
    finops_code rc;

    small = *d;
    small.upload = upload_of_small_parts;
    for (size_t i = 0; i < size; i++)
        bytes[i] = byte_at(i);
    ok(fo_stage_write(&stage, &put, &transfer, &writer, &f->err), &f->err);
    rc = writer->write(writer, bytes, size, &f->err);
    if (rc == FINOPS_OK)
        rc = writer->commit(writer, NULL, &f->err);
    writer->close(writer);
    return rc;
}

static void
a_writer_with_sixteen_threads_sends_each_part_once(void **state)
{
    static const int64_t promised[] = { -1, (int64_t)PART * (PARTS - 1) + LAST };

    (void)state;
    for (size_t i = 0; i < FO_COUNT(promised); i++) {
        service a = { .part_size = PART };
        scripted f = { .driver = d, .server = fake_http_start(serve, &a) };

        open_with(&f, NULL, 0);
        ok(write_parts(&f, promised[i]), &f.err);
        assert_null(a.problem);
        assert_int_equal(a.commits, 1);
        assert_int_equal(a.aborts, 0);
        for (unsigned p = 1; p <= PARTS; p++)
            assert_int_equal(a.taken[p], 1);
        scripted_end(&f);
    }
}

static void
a_writer_whose_part_is_refused_stops_the_others_and_aborts(void **state)
{
    service a = { .part_size = PART, .fails = PARTS / 3 };
    scripted f = { .driver = d, .server = fake_http_start(serve, &a) };

    (void)state;
    open_with(&f, NULL, 0);
    fails(write_parts(&f, -1), FINOPS_E_DENIED, &f.err);
    assert_null(a.problem);
    assert_int_equal(a.commits, 0);
    assert_int_equal(a.aborts, 1);
    assert_int_equal(a.taken[PARTS], 0);
    scripted_end(&f);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_clock_is_learned_by_two_threads_at_once),
        cmocka_unit_test(parts_that_come_at_once_are_all_kept),
        cmocka_unit_test(a_writer_with_sixteen_threads_sends_each_part_once),
        cmocka_unit_test(a_writer_whose_part_is_refused_stops_the_others_and_aborts),
    };

    return cmocka_run_group_tests_name("storage/s3_threads", tests, NULL, NULL);
}
