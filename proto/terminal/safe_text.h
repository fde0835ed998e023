// Text of others as a terminal may see it: nothing in it moves the cursor, turns
// the direction of writing or hides. Used by sluicectl's streams and tables. Pure
// functions, any thread.
#ifndef SLUICE_PROTO_TERMINAL_SAFE_TEXT_H_
#define SLUICE_PROTO_TERMINAL_SAFE_TEXT_H_

#include <cstddef>
#include <string>
#include <string_view>

namespace sluice {

// How what must not be seen as it is, is written.
enum class EscapeForm {
  kText,  // \x1b, \u202e, \U000e0001; a byte that is no UTF-8: \xff
  kJson,  // \u001b, \u202e, \udb40\udc01; a byte that is no UTF-8: \ufffd
  kYaml,  // as kJson, \U000e0001
};

// Escapes control characters, marks that turn the direction of writing, what has
// no width and does not belong where it stands (joiners between letters that
// join and within emoji stay), and what is no UTF-8. Keeps line breaks and tabs.
// For JSON and YAML `text` is a whole document: everything that is escaped stands
// within double quotes there. What is escaped once stays as it is.
std::string SafeText(std::string_view text, EscapeForm form = EscapeForm::kText);

// The same for text that must stay on its line: \n and \t are escaped too.
std::string SafeLine(std::string_view text);

// Columns of a terminal that safe text takes: two for CJK and emoji, none for
// combining characters.
size_t DisplayWidth(std::string_view text);

// At most `width` columns; what is longer ends with "…".
std::string CutToWidth(std::string_view text, size_t width);

}  // namespace sluice

#endif  // SLUICE_PROTO_TERMINAL_SAFE_TEXT_H_
