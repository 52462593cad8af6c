/* The values: extremes, NULL, and what has gone wrong somewhere once. */
#include "conformance/samples.h"

#include <stdio.h>

#include "base/mem.h"

const char fo_sample_end[] = "(end)";

#define END FO_SAMPLE_END
#define BIG_38 "99999999999999999999999999999999999999"

/* clang-format off */
const fo_sample fo_samples[] = {
    { "bool", "b", FINOPS_TYPE_BOOL, 0, { "true", "false", NULL, "true", END } },
    { "int8", "c", FINOPS_TYPE_INT, 0, { "-128", "127", "0", NULL, "-1", END } },
    { "int16", "s", FINOPS_TYPE_INT, 0, { "-32768", "32767", "0", NULL, END } },
    { "int32", "i", FINOPS_TYPE_INT, 0, { "-2147483648", "2147483647", NULL, "0", END } },
    { "int64", "l", FINOPS_TYPE_INT, 0,
      { "-9223372036854775808", "9223372036854775807", "9007199254740993", NULL, "0", END } },
    { "uint8", "C", FINOPS_TYPE_INT, 0, { "0", "255", NULL, "128", END } },
    { "uint16", "S", FINOPS_TYPE_INT, 0, { "0", "65535", NULL, "32768", END } },
    { "uint32", "I", FINOPS_TYPE_INT, 0, { "0", "4294967295", NULL, "2147483648", END } },
    { "uint64", "L", FINOPS_TYPE_INT, FO_SAMPLE_WIDE,
      { "0", "18446744073709551615", NULL, "9223372036854775808", END } },
    { "half float", "e", FINOPS_TYPE_DOUBLE, FO_SAMPLE_MAY_REFUSE, { "0", "1.5", "-65504", NULL, END } },
    { "float", "f", FINOPS_TYPE_DOUBLE, FO_SAMPLE_SINGLE,
      { "0.1", "-1.5", "3.4028234663852886e38", "1.1754943508222875e-38", NULL, "16777216", END } },
    { "double", "g", FINOPS_TYPE_DOUBLE, 0,
      { "0.1", "-0.30000000000000004", "1.7976931348623157e308", "2.2250738585072014e-308", NULL, "1e15",
        "9007199254740993", "0", END } },
    { "the smallest double", "g", FINOPS_TYPE_DOUBLE, 0, { "4.9406564584124654e-324", NULL, "1", END } },
    { "double NaN and infinities", "g", FINOPS_TYPE_DOUBLE, FO_SAMPLE_MAY_REFUSE,
      { "nan", "inf", "-inf", NULL, "0", END } },
    { "float NaN and infinities", "f", FINOPS_TYPE_DOUBLE, FO_SAMPLE_MAY_REFUSE | FO_SAMPLE_SINGLE,
      { "nan", "inf", "-inf", NULL, "0", END } },

    { "decimal(1,0)", "d:1,0", FINOPS_TYPE_DECIMAL, 0, { "9", "-9", "0", NULL, END } },
    { "decimal(4,2)", "d:4,2", FINOPS_TYPE_DECIMAL, 0, { "99.99", "-99.99", "0.01", NULL, "-0.01", END } },
    { "decimal(9,4)", "d:9,4", FINOPS_TYPE_DECIMAL, 0, { "99999.9999", "-99999.9999", "0.0001", NULL, END } },
    { "decimal(9,9)", "d:9,9", FINOPS_TYPE_DECIMAL, 0, { "0.999999999", "-0.000000001", NULL, "0", END } },
    { "decimal(10,2)", "d:10,2", FINOPS_TYPE_DECIMAL, 0, { "99999999.99", "1.10", NULL, "-0.05", END } },
    { "decimal(18,0)", "d:18,0", FINOPS_TYPE_DECIMAL, 0, { "999999999999999999", "-1", NULL, END } },
    { "decimal(18,6)", "d:18,6", FINOPS_TYPE_DECIMAL, 0,
      { "999999999999.999999", "-999999999999.999999", "0.000001", NULL, "10000.0001", END } },
    { "decimal(18,18)", "d:18,18", FINOPS_TYPE_DECIMAL, 0,
      { "0.999999999999999999", "-0.000000000000000001", NULL, END } },
    { "decimal(19,4)", "d:19,4", FINOPS_TYPE_DECIMAL, 0,
      { "999999999999999.9999", "-999999999999999.9999", NULL, "1.5", END } },
    { "decimal(28,10)", "d:28,10", FINOPS_TYPE_DECIMAL, 0,
      { "999999999999999999.9999999999", "-0.0000000001", NULL, END } },
    { "decimal(38,0)", "d:38,0", FINOPS_TYPE_DECIMAL, 0,
      { BIG_38, "-" BIG_38, "10000000000000000000000000000000000000", NULL, "1", END } },
    { "decimal(38,9)", "d:38,9", FINOPS_TYPE_DECIMAL, 0,
      { "99999999999999999999999999999.999999999", "-0.000000001", NULL, "12345678.9", END } },
    { "decimal(38,18)", "d:38,18", FINOPS_TYPE_DECIMAL, 0,
      { "99999999999999999999.999999999999999999", "-99999999999999999999.999999999999999999",
        "0.000000000000000001", NULL, "0.1", "10000", "1000000.000001", END } },
    { "decimal(38,37)", "d:38,37", FINOPS_TYPE_DECIMAL, 0,
      { "9.9999999999999999999999999999999999999", "-0.0000000000000000000000000000000000001", NULL, END } },
    { "decimal(38,38)", "d:38,38", FINOPS_TYPE_DECIMAL, 0,
      { "0." BIG_38, "-0.00000000000000000000000000000000000001", NULL, END } },
    { "decimal32(9,2)", "d:9,2,32", FINOPS_TYPE_DECIMAL, FO_SAMPLE_MAY_REFUSE,
      { "9999999.99", "-0.01", NULL, END } },
    { "decimal64(18,6)", "d:18,6,64", FINOPS_TYPE_DECIMAL, FO_SAMPLE_MAY_REFUSE,
      { "999999999999.999999", "-0.000001", NULL, END } },
    { "decimal256(38,18)", "d:38,18,256", FINOPS_TYPE_DECIMAL, FO_SAMPLE_MAY_REFUSE,
      { "99999999999999999999.999999999999999999", "-0.000000000000000001", NULL, END } },

    { "text", "u", FINOPS_TYPE_TEXT, 0, { "plain", "", NULL, " blanks ", "x", END } },
    { "the empty text and NULL", "u", FINOPS_TYPE_TEXT, 0, { "", NULL, "", NULL, NULL, "", END } },
    { "texts that mean NULL elsewhere", "u", FINOPS_TYPE_TEXT, 0,
      { "NULL", "null", "\\N", "N/A", "\\.", NULL, "None", END } },
    { "text with quotes and separators", "u", FINOPS_TYPE_TEXT, 0,
      { "it's", "say \"hi\"", "a,b;c|d\te", "line\nbreak\r\n", "back\\slash\\n",
        "$1 %s {x}", "';--", NULL, END } },
    { "text with control characters", "u", FINOPS_TYPE_TEXT, 0,
      { "\x01\x02\x1f", "\x7f", "bell\a", "\v\f\b", NULL, END } },
    { "text in many scripts", "u", FINOPS_TYPE_TEXT, 0,
      { "Grüße, Łódź", "Ελληνικά", "Привет", "日本語", "한국어", "العربية",
        "עברית", "हिन्दी", NULL, END } },
    { "text beyond the basic plane", "u", FINOPS_TYPE_TEXT, 0,
      { "\U0001F4B8", "\U00010348", "\U0010FFFD", "\U0001F469\u200D\U0001F4BB", NULL, "\U00020000", END } },
    { "text with combining and invisible characters", "u", FINOPS_TYPE_TEXT, 0,
      { "e\u0301", "\u00E9", "\uFEFFbom", "zero\u200Bwidth", "\u202Eright to left", "\uFFFD", NULL, END } },
    { "large text", "U", FINOPS_TYPE_TEXT, 0, { "large", "", NULL, "ü", END } },
    { "text view", "vu", FINOPS_TYPE_TEXT, FO_SAMPLE_MAY_REFUSE,
      { "short", "a text that is longer than twelve bytes", NULL, "", END } },
    { "dictionary of texts", "@u", FINOPS_TYPE_TEXT, 0, { "a", "b", "a", NULL, "", "b", END } },
    { "dictionary of large texts", "@U", FINOPS_TYPE_TEXT, FO_SAMPLE_MAY_REFUSE,
      { "a", "b", "a", NULL, END } },
    { "dictionary of numbers", "@l", FINOPS_TYPE_INT, FO_SAMPLE_MAY_REFUSE, { "10", "20", "10", NULL, END } },

    { "bytes", "z", FINOPS_TYPE_BYTES, FO_SAMPLE_NO_TEXT,
      { "00", "ff00ff", "", NULL, "deadbeef", "5c27220a0d09", "c328", END } },
    { "large bytes", "Z", FINOPS_TYPE_BYTES, FO_SAMPLE_NO_TEXT, { "00ff", "", NULL, END } },
    { "bytes of a fixed size", "w:4", FINOPS_TYPE_BYTES, FO_SAMPLE_NO_TEXT,
      { "00000000", "deadbeef", NULL, END } },
    { "byte view", "vz", FINOPS_TYPE_BYTES, FO_SAMPLE_NO_TEXT | FO_SAMPLE_MAY_REFUSE,
      { "00", "000102030405060708090a0b0c0d0e0f", NULL, END } },

    { "date", "tdD", FINOPS_TYPE_DATE, 0, { "0", "-1", "19782", "-719162", "2932896", NULL, END },
      { "1970-01-01", "1969-12-31", "2024-02-29", "0001-01-01", "9999-12-31", NULL } },
    { "date in milliseconds", "tdm", FINOPS_TYPE_DATE, 0, { "0", "-86400000", "1709164800000", NULL, END },
      { "1970-01-01", "1969-12-31", "2024-02-29", NULL } },
    { "timestamp in seconds", "tss:", FINOPS_TYPE_TIMESTAMP, 0,
      { "0", "-1", "1709251199", "-62135596800", "253402300799", NULL, END },
      { "1970-01-01T00:00:00", "1969-12-31T23:59:59", "2024-02-29T23:59:59", "0001-01-01T00:00:00",
        "9999-12-31T23:59:59", NULL } },
    { "timestamp in milliseconds", "tsm:", FINOPS_TYPE_TIMESTAMP, 0,
      { "0", "-1", "1709251199123", "-62135596800000", "253402300799999", NULL, END },
      { "1970-01-01T00:00:00", "1969-12-31T23:59:59.999", "2024-02-29T23:59:59.123", "0001-01-01T00:00:00",
        "9999-12-31T23:59:59.999", NULL } },
    { "timestamp in microseconds", "tsu:", FINOPS_TYPE_TIMESTAMP, 0,
      { "0", "-1", "1709251199123456", "-62135596800000000", "253402300799999999", NULL, END },
      { "1970-01-01T00:00:00", "1969-12-31T23:59:59.999999", "2024-02-29T23:59:59.123456",
        "0001-01-01T00:00:00", "9999-12-31T23:59:59.999999", NULL } },
    { "timestamp in nanoseconds", "tsn:", FINOPS_TYPE_TIMESTAMP, 0,
      { "0", "-1000", "1709251199123456000", "-6795364578000000000", "9214646400000000000", NULL, END },
      { "1970-01-01T00:00:00", "1969-12-31T23:59:59.999999", "2024-02-29T23:59:59.123456",
        "1754-08-30T22:43:42", "2262-01-01T00:00:00", NULL } },
    { "timestamp finer than a microsecond", "tsn:", FINOPS_TYPE_TIMESTAMP, 0,
      { "1709251199999999999", "1709251199123456789", NULL, END },
      { "2024-02-29T23:59:59.999999", "2024-02-29T23:59:59.123456", NULL } },
    { "instant in seconds", "tss:UTC", FINOPS_TYPE_TIMESTAMP_TZ, 0,
      { "0", "-1", "1709251199", "-62135596800", "253402300799", NULL, END },
      { "1970-01-01T00:00:00Z", "1969-12-31T23:59:59Z", "2024-02-29T23:59:59Z", "0001-01-01T00:00:00Z",
        "9999-12-31T23:59:59Z", NULL } },
    { "instant in milliseconds", "tsm:UTC", FINOPS_TYPE_TIMESTAMP_TZ, 0,
      { "0", "-1", "1709251199123", NULL, END },
      { "1970-01-01T00:00:00Z", "1969-12-31T23:59:59.999Z", "2024-02-29T23:59:59.123Z", NULL } },
    { "instant in microseconds", "tsu:UTC", FINOPS_TYPE_TIMESTAMP_TZ, 0,
      { "0", "-1", "1709251199123456", "-62135596800000000", "253402300799999999", NULL, END },
      { "1970-01-01T00:00:00Z", "1969-12-31T23:59:59.999999Z", "2024-02-29T23:59:59.123456Z",
        "0001-01-01T00:00:00Z", "9999-12-31T23:59:59.999999Z", NULL } },
    { "instant in nanoseconds", "tsn:UTC", FINOPS_TYPE_TIMESTAMP_TZ, 0,
      { "0", "-1000", "1709251199123456000", NULL, END },
      { "1970-01-01T00:00:00Z", "1969-12-31T23:59:59.999999Z", "2024-02-29T23:59:59.123456Z", NULL } },
    { "instant seen from Berlin", "tsu:Europe/Berlin", FINOPS_TYPE_TIMESTAMP_TZ, 0,
      { "0", "1709251199123456", "1729990800000000", NULL, END },
      { "1970-01-01T00:00:00Z", "2024-02-29T23:59:59.123456Z", "2024-10-27T01:00:00Z", NULL } },
    { "instant seen from an offset", "tsu:+05:30", FINOPS_TYPE_TIMESTAMP_TZ, FO_SAMPLE_MAY_REFUSE,
      { "0", "1709251199123456", NULL, END },
      { "1970-01-01T00:00:00Z", "2024-02-29T23:59:59.123456Z", NULL } },

    { "list of numbers", "+l(l)", FINOPS_TYPE_LIST, FO_SAMPLE_NO_TEXT,
      { "[1,2,3]", "[]", NULL, "[null,-1]", "[9007199254740993]", END } },
    { "list of texts", "+l(u)", FINOPS_TYPE_LIST, FO_SAMPLE_NO_TEXT,
      { "[\"a\",\"\"]", "[]", NULL, "[null,\"it's\",\"say \\\"hi\\\"\",\"a,b\",\"\\u00e9\\n\"]", END } },
    { "large list", "+L(l)", FINOPS_TYPE_LIST, FO_SAMPLE_NO_TEXT | FO_SAMPLE_MAY_REFUSE,
      { "[1,2]", "[]", NULL, END } },
    { "list of a fixed size", "+w:2(l)", FINOPS_TYPE_LIST, FO_SAMPLE_NO_TEXT | FO_SAMPLE_MAY_REFUSE,
      { "[1,2]", "[3,null]", NULL, END } },
    { "list of lists", "+l(+l(l))", FINOPS_TYPE_LIST, FO_SAMPLE_NO_TEXT,
      { "[[1],[2,3],[]]", "[]", NULL, "[null]", END } },
    { "struct", "+s(a=l;b=u)", FINOPS_TYPE_STRUCT, FO_SAMPLE_NO_TEXT,
      { "{\"a\":1,\"b\":\"x\"}", "{\"a\":null,\"b\":\"\"}", NULL, "{\"a\":-1,\"b\":null}", END } },
    { "struct with hostile member names", "+s(a b=l;it's=u;say \"hi\"=u)", FINOPS_TYPE_STRUCT,
      FO_SAMPLE_NO_TEXT,
      { "{\"a b\":1,\"it's\":\"x\",\"say \\\"hi\\\"\":\"y\"}", NULL, END } },
    { "map of texts to numbers", "+m(u;l)", FINOPS_TYPE_MAP, FO_SAMPLE_NO_TEXT,
      { "{\"a\":1,\"b\":2}", "{}", NULL, "{\"\":null}", END } },
    { "map of texts to texts", "+m(u;u)", FINOPS_TYPE_MAP, FO_SAMPLE_NO_TEXT,
      { "{\"user:team\":\"a\",\"it's\":\"say \\\"hi\\\"\"}", "{}", NULL,
        "{\"k=v,{}\":\"\\\\\",\"\\u00fc\":null}", END } },
    { "list of structs", "+l(+s(a=l;b=u))", FINOPS_TYPE_LIST, FO_SAMPLE_NO_TEXT,
      { "[{\"a\":1,\"b\":\"x\"},{\"a\":null,\"b\":null}]", "[]", NULL, END } },
    { "map of texts to lists", "+m(u;+l(l))", FINOPS_TYPE_MAP, FO_SAMPLE_NO_TEXT,
      { "{\"a\":[1,2],\"b\":[]}", "{}", NULL, END } },
    { "struct of a list and a map", "+s(a=+l(l);b=+m(u;u))", FINOPS_TYPE_STRUCT, FO_SAMPLE_NO_TEXT,
      { "{\"a\":[1],\"b\":{\"x\":\"y\"}}", "{\"a\":[],\"b\":{}}", NULL, END } },
};
/* clang-format on */

const size_t fo_n_samples = FO_COUNT(fo_samples);

size_t
fo_sample_count(const fo_sample *sample)
{
    size_t n = 0;

    while (n < FO_COUNT(sample->values) && sample->values[n] != FO_SAMPLE_END)
        n++;
    return n;
}

const char *
fo_sample_wanted(const fo_sample *sample, size_t i)
{
    return sample->wanted[0] ? sample->wanted[i] : sample->values[i];
}

void
fo_sample_digits(const fo_sample *sample, int *ret_precision, int *ret_scale)
{
    if (sscanf(sample->format, "d:%d,%d", ret_precision, ret_scale) != 2)
        *ret_precision = *ret_scale = 0;
}
