/*
 * TOML by toml11, turned into the neutral tree.
 *
 * toml11 throws and recurses; here exceptions become results, and depth is limited before it sees the text,
 * because a file of brackets would otherwise end the stack.
 */
#include "config/toml.h"

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <exception>
#include <map>
#include <memory>
#include <new>
#include <sstream>
#include <string>
#include <vector>

#include <toml.hpp>

namespace {

using value = toml::basic_value<toml::discard_comments, std::map, std::vector>;

struct node_free {
    void operator()(fo_node *node) const { fo_node_free(node); }
};
using node_ptr = std::unique_ptr<fo_node, node_free>;

struct refused {
    unsigned line;
    const char *message;
};

/* toml11 copies the line it is in many times for each value: a long line of them takes minutes. */
const unsigned items_max = 20000;
const size_t line_max = 8192;

/* Walks strings and comments as TOML does, only far enough to count brackets, dots and commas outside of them. */
class depth_guard {
  public:
    depth_guard(const char *text, size_t n) : p(text), end(text + n) {}

    void
    check()
    {
        check_lines();
        while (p < end) {
            if (*p == '#')
                skip_comment();
            else if (*p == '"' || *p == '\'')
                skip_string(*p);
            else
                count(*p++);
        }
    }

  private:
    const char *p, *end;
    unsigned line = 1, depth = 0, dots = 0, commas = 0;

    void
    check_lines() const
    {
        unsigned number = 1;

        for (const char *from = p; from < end; number++) {
            const void *newline = std::memchr(from, '\n', static_cast<size_t>(end - from));
            const char *to = newline ? static_cast<const char *>(newline) : end;

            if (static_cast<size_t>(to - from) > line_max)
                throw refused{number, "line too long"};
            from = to + 1;
        }
    }

    bool
    thrice(char c) const
    {
        return end - p >= 3 && p[0] == c && p[1] == c && p[2] == c;
    }

    void
    skip_comment()
    {
        while (p < end && *p != '\n')
            p++;
    }

    void
    skip_string(char quote)
    {
        bool multi = thrice(quote);

        p += multi ? 3 : 1;
        while (p < end) {
            if (multi ? thrice(quote) : *p == quote) {
                p += multi ? 3 : 1;
                return;
            }
            if (*p == '\n') {
                if (!multi)
                    return; /* an error that the parser reports */
                line++;
            }
            p += quote == '"' && *p == '\\' && end - p >= 2 && p[1] != '\n' ? 2 : 1;
        }
    }

    void
    count(char c)
    {
        if (c == '\n')
            line++;
        if (c == '[' || c == '{')
            depth++;
        else if ((c == ']' || c == '}') && depth > 0)
            depth--;
        if (c == '.')
            dots++;
        else if (std::strchr("\n=,[{", c))
            dots = 0;
        if (c == ',' && ++commas > items_max)
            throw refused{line, "too many values"};
        if (depth > FO_TREE_DEPTH_MAX || dots > FO_TREE_DEPTH_MAX)
            throw refused{line, "nested too deeply"};
    }
};

/*
 * Makes the tree. Places are worked out here: toml11's own value.location() counts from the start of the file and
 * copies the line for each value, which takes minutes on a line of a hundred thousand of them.
 */
class builder {
  public:
    builder(const char *text, size_t n)
    {
        starts.push_back(0);
        for (size_t i = 0; i < n; i++)
            if (text[i] == '\n')
                starts.push_back(i + 1);
    }

    node_ptr
    map(const value &v) const
    {
        node_ptr map = make(FO_NODE_MAP, nullptr, v);
        std::vector<node_ptr> children;

        for (const auto &pair : v.as_table(std::nothrow)) {
            node_ptr child = convert(pair.second);
            if (pair.first.find('\0') != std::string::npos)
                throw refused{child->line, "key with a NUL character"};
            if (!fo_node_set_key(child.get(), pair.first.c_str(), pair.first.size()))
                throw std::bad_alloc();
            children.push_back(std::move(child));
        }
        /* In the order of the file, which toml11's tables forget. */
        std::stable_sort(children.begin(), children.end(), [](const node_ptr &a, const node_ptr &b) {
            return a->line != b->line ? a->line < b->line : a->column < b->column;
        });
        for (auto &child : children)
            fo_node_add(map.get(), child.release());
        return map;
    }

  private:
    std::vector<size_t> starts; /* offset of each line */

    node_ptr
    make(fo_node_type type, const std::string *text, const value &v) const
    {
        const auto *region = dynamic_cast<const toml::detail::region *>(toml::detail::get_region(v));
        const auto offset = region ? static_cast<size_t>(region->first() - region->begin()) : 0;
        const auto after = std::upper_bound(starts.begin(), starts.end(), offset);
        const auto line = static_cast<unsigned>(after - starts.begin());

        if (text && text->find('\0') != std::string::npos)
            throw refused{line, "text with a NUL character"};
        node_ptr node(fo_node_new(type, text ? text->c_str() : nullptr, text ? text->size() : 0, line,
                                  static_cast<unsigned>(offset - *(after - 1)) + 1));
        if (!node)
            throw std::bad_alloc();
        return node;
    }

    node_ptr
    scalar(fo_node_type type, const std::string &text, const value &v) const
    {
        return make(type, &text, v);
    }

    node_ptr
    number(const value &v) const
    {
        char text[40];

        if (v.is_integer()) {
            std::snprintf(text, sizeof(text), "%lld", static_cast<long long>(v.as_integer(std::nothrow)));
            return scalar(FO_NODE_INT, text, v);
        }
        std::snprintf(text, sizeof(text), "%.15g", v.as_floating(std::nothrow));
        return scalar(FO_NODE_FLOAT, text, v);
    }

    node_ptr
    date(const value &v) const
    {
        const auto day = v.as_local_date(std::nothrow);
        char text[40];

        std::snprintf(text, sizeof(text), "%04d-%02d-%02d", day.year, day.month + 1, day.day);
        return scalar(FO_NODE_DATE, text, v);
    }

    node_ptr
    list(const value &v) const
    {
        node_ptr list = make(FO_NODE_LIST, nullptr, v);

        for (const auto &item : v.as_array(std::nothrow))
            fo_node_add(list.get(), convert(item).release());
        return list;
    }

    node_ptr
    convert(const value &v) const
    {
        switch (v.type()) {
        case toml::value_t::table:
            return map(v);
        case toml::value_t::array:
            return list(v);
        case toml::value_t::string:
            return scalar(FO_NODE_TEXT, v.as_string(std::nothrow).str, v);
        case toml::value_t::boolean:
            return scalar(FO_NODE_BOOL, v.as_boolean(std::nothrow) ? "true" : "false", v);
        case toml::value_t::integer:
        case toml::value_t::floating:
            return number(v);
        case toml::value_t::local_date:
            return date(v);
        case toml::value_t::empty:
            return make(FO_NODE_NULL, nullptr, v);
        default:
            return scalar(FO_NODE_TIME, "", v);
        }
    }
};

void
say(fo_toml_problem *problem, unsigned line, const char *message)
{
    problem->line = line;
    std::snprintf(problem->message, sizeof(problem->message), "%s", message);
}

/* "[error] toml::parse_table: invalid line format" -> "invalid line format". */
std::string
summary_of(const std::string &what)
{
    std::string text = what.substr(0, what.find('\n'));
    const std::string error = "[error] ";

    if (text.compare(0, error.size(), error) == 0)
        text.erase(0, error.size());
    if (text.compare(0, 6, "toml::") == 0 || text.compare(0, 6, "parse_") == 0) {
        const auto colon = text.find(':', 6);
        if (colon != std::string::npos)
            text.erase(0, text.find_first_not_of(": ", colon));
    }
    return text;
}

/* What a newcomer most often runs into, said with the way out. */
std::string
plainer(const std::string &summary)
{
    static const char *const words[][2] = {
        {"bad format: unknown value", "not a value; text needs quotes around it"},
        {"bad datetime", "not a date; text, and a month such as \"2024-10\", needs quotes around it"},
        {"bad integer: leading zero", "a number starts with 0; text such as \"007\" needs quotes around it"},
        {"bad float", "not a number; text needs quotes around it"},
        {"the next token is not a valid string",
         "text is not closed, or has a lone backslash: write \\\\, or use 'single quotes'"},
        {"missing key-value separator", "expected key = value"},
        {"an invalid key appeared", "not a key; a section is written [name], a value key = value"},
        {"invalid line format", "expected the end of the line after the value"},
        {"invalid date", "there is no such date"},
    };

    for (const auto &word : words)
        if (summary.compare(0, std::strlen(word[0]), word[0]) == 0)
            return word[1];
    return summary;
}

/*
 * toml11 draws the place below its summary, for something that is there twice both places:
 *    |
 *  7 | region = eu-central-1
 *    |          ^----------- the remark
 * The number left of the bar is the line; the remark goes along, the text of the file does not.
 */
void
explain(const std::string &what, unsigned fallback, fo_toml_problem *problem)
{
    const std::string summary = summary_of(what);
    std::string message = plainer(summary), row, remark;
    std::istringstream rows(what);
    unsigned first = 0, line = 0, number;
    char bar;

    while (std::getline(rows, row)) {
        if (std::sscanf(row.c_str(), " %u %c", &number, &bar) != 2 || bar != '|')
            continue;
        first = first ? first : number;
        line = number;
        if (!std::getline(rows, row))
            break;
        const auto mark = row.find_first_of("^~");
        const auto begin = mark == std::string::npos ? mark : row.find_first_not_of("^-~ ", mark);
        remark = begin == std::string::npos ? "" : row.substr(begin);
    }
    while (!message.empty() && message.back() == '.')
        message.pop_back();
    if (first != line)
        message += " in line " + std::to_string(first);
    else if (message == summary && !remark.empty() && remark != "here")
        message += ", " + remark;
    while (!message.empty() && message.back() == '.')
        message.pop_back();
    say(problem, line ? line : fallback, message.c_str());
}

} // namespace

fo_toml_result
fo_toml_read(const char *text, size_t n, fo_node **ret_root, fo_toml_problem *ret_problem)
{
    try {
        depth_guard(text, n).check();
        std::istringstream in(std::string(text, n));
        const auto root = toml::parse<toml::discard_comments, std::map, std::vector>(in, "file");
        *ret_root = builder(text, n).map(root).release();
        return FO_TOML_OK;
    } catch (const refused &e) {
        say(ret_problem, e.line, e.message);
        return FO_TOML_SYNTAX;
    } catch (const std::bad_alloc &) {
        return FO_TOML_MEMORY;
    } catch (const toml::exception &e) {
        try {
            explain(e.what(), e.location().line(), ret_problem);
        } catch (...) {
            return FO_TOML_MEMORY;
        }
        return FO_TOML_SYNTAX;
    } catch (...) {
        say(ret_problem, 1, "not valid TOML");
        return FO_TOML_SYNTAX;
    }
}
